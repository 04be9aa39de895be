"""What shuts processes of others in, and which of a project are not shut in: what `lichen doctor` says of cages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project

INSTALL = "pip install '.[cage]', on Linux with user namespaces"


def shut_in(project: Project) -> Iterator[tuple[str, str, str]]:
    """State, what there is and what mends it. Cages are tried where something of the project wants one."""
    settings = project.settings
    servers = [(scope, server) for scope in settings.scopes for server in settings.servers(scope).values()]
    wanted = sorted({server.name for _, server in servers if server.cage is not None})
    if wanted:
        yield from _found(wanted)
    for scope, server in servers:
        if server.command and server.cage is None and not settings.environment(scope).is_development:
            what = f"{scope.tenant}/{scope.env}: the server {server.name} may do whatever this user may"
            yield "warning", what, 'cage = "jail" for it under [[mcp]], with what it may read and reach'


def _found(wanted: list[str]) -> Iterator[tuple[str, str, str]]:
    from lichen.tools.cage.choice import Cages

    found = asyncio.run(Cages().found())
    works = [each for each in found if not each.fault]
    for each in works:
        bounds = (
            "all processes of one together" if each.is_bounded_together else "each process by itself, and their sum"
        )
        yield "ok", f"{each.cage} works here, for {', '.join(wanted)}; bounded are {bounds}", ""
    if not works:
        why = "; ".join(f"{each.cage}: {each.fault}" for each in found)
        yield "problem", f"{', '.join(wanted)} cannot be shut in: {why}", INSTALL
