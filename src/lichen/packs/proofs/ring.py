"""Whom an environment of a project trusts, as its settings say: the keys and certificates in the files they name."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Final

from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.scope import Scope
from lichen.packs.proofs.chain import PEM_BYTES_MAX, read_chain
from lichen.packs.proofs.keys import public_key
from lichen.packs.proofs.trust import Ring, Root
from lichen.settings.file import FILE, Settings
from lichen.settings.packs.table import TrustTable

_STEP: Final = f"Name the PEM file of a public key or a certificate, relative to {FILE}."


def ring_of(settings: Settings, scope: Scope) -> Ring:
    """Whom a scope trusts. Raises Invalid (`pack_trust_invalid`)."""
    roots = (root_in(settings.root, each) for each in settings.packs.trust if each.is_of(scope.tenant, scope.env))
    denied = frozenset(each.removeprefix("sha256:") for each in settings.packs.denied)
    return Ring(tuple(roots), denied, settings.environment(scope).is_development)


def root_in(folder: Path, said: TrustTable) -> Root:
    """Somebody who is trusted. Raises Invalid (`pack_trust_invalid`)."""
    until = None if said.until is None else datetime.combine(said.until, time.max, UTC)
    found = root_of_file(folder / said.key, said.name)
    return Root(found.name, found.key, found.certificate, until)


def root_of_file(path: Path, name: str) -> Root:
    """Whoever has the public key, or whose is the certificate, in a file. Raises Invalid (`pack_trust_invalid`)."""
    try:
        with path.open("rb") as file:
            data = file.read(PEM_BYTES_MAX + 1)
        if b"BEGIN CERTIFICATE" in data:
            return Root(name, certificate=read_chain(data, str(path)).certificates[0])
        return Root(name, key=public_key(data.decode("ascii", "replace")))
    except OSError:
        message = "There is no such file."
    except LichenError as error:
        message = error.message
    raise Invalid(message, code="pack_trust_invalid", place=str(path), next_step=_STEP)
