"""Which secrets are not to be had: as the process that owns the directory says, or the files when nobody does."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from lichen.cli.here.client import Client
from lichen.core.ports.secrets import SEALED
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Scope
from lichen.gate.secrets.sealed import Closed, SealedSecrets
from lichen.gate.secrets.sources import Sources, built_in
from lichen.log.keys.secretfiles import FOLDER
from lichen.runtime.project.project import Project
from lichen.runtime.project.secretkinds import maker
from lichen.runtime.review.secrets import Lacks


def lacked_by_owner(client: Client) -> Lacks:
    """As the owner lists them: its environment counts, not that of whoever asks."""
    listed: dict[Scope, dict[str, str]] = {}

    def lacks(scope: Scope, name: str) -> str:
        if scope not in listed:
            found = client.within(scope.tenant, scope.env).get("secrets")
            listed[scope] = {each["name"]: each["code"] for each in found}
        return listed[scope].get(name, "secret_unknown")

    return lacks


def lacked_here(project: Project, home: Path) -> Lacks:
    """As the files and this process's environment say. Of what is sealed only the names are looked at."""
    sealed = SealedSecrets(home / "keys" / FOLDER, Closed())
    sources = Sources(project.settings.secret, maker(built_in(os.environ, sealed)))

    def lacks(scope: Scope, name: str) -> str:
        try:
            if sources.source(scope, name).kind == SEALED.kind:
                return "" if name in sealed.names(scope) else "secret_unknown"
            asyncio.run(_found(sources, scope, name))
        except LichenError as error:
            return error.code
        return ""

    return lacks


async def _found(sources: Sources, scope: Scope, name: str) -> None:
    await sources.get(scope, name)
