"""The keys that `lichen serve --demo` hands out: an operator's for each tenant, the same at every start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lichen.cli.here.client import Client
from lichen.core.words.errors import LichenError, Unavailable

if TYPE_CHECKING:
    from lichen.cli.here.connection import Connection
    from lichen.settings import Settings

FILE = "demo.env"
ACTOR = {"actor": "ops", "kind": "operator", "roles": ["operator"]}
ENV = "dev"


def demo_keys(connection: Connection, url: str) -> dict[str, str]:
    """A valid key for each declared tenant, by its name. They are kept in `demo.env` in the data directory, beside
    `LICHEN_URL`, for nobody but its owner to read. Raises Unavailable (`demo_keys_unwritable`)."""
    file = connection.workspace.home / FILE
    known = _read(file)
    keys = {
        name: _key(connection, name, env, known.get(_variable(name)))
        for name, env in _places(connection.project.settings)
    }
    wanted = {"LICHEN_URL": url, **{_variable(name): key for name, key in keys.items()}}
    if wanted == known:
        return keys  # a full disk is no reason not to serve
    try:
        _write(file, "".join(f"{name}={value}\n" for name, value in wanted.items()))
    except OSError as error:
        raise _unwritable(file, error) from None
    return keys


def _places(settings: Settings) -> list[tuple[str, str]]:
    """Each tenant with the environment its key is for."""
    declared = ((name, tenant.environments) for name, tenant in settings.tenants.items())
    return [(name, ENV if ENV in environments else environments[0]) for name, environments in declared]


def _key(connection: Connection, tenant: str, env: str, known: str | None) -> str:
    if known is not None and _is_valid(connection, tenant, env, known):
        return known
    return Client(connection, {}).within(tenant, env).post("keys", ACTOR)["key"]


def _is_valid(connection: Connection, tenant: str, env: str, key: str) -> bool:
    """Whether the key is an operator's of this tenant."""
    try:
        Client(connection, {"Authorization": f"Bearer {key}"}).within(tenant, env).get("approvals")
    except LichenError:
        return False
    return True


def _variable(tenant: str) -> str:
    return f"LICHEN_KEY_{tenant.upper().replace('-', '_')}"


def _read(file: Path) -> Mapping[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _write(file: Path, text: str) -> None:
    """In one step, and never readable by anybody else."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def _unwritable(file: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"The demo's keys cannot be kept ({error.strerror}).",
        code="demo_keys_unwritable",
        next_step="Move away what is in the way, and make room, or serve without --demo.",
        place=str(file),
    )
