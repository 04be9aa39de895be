"""What is sought by its id alone: in the tenant that is named, else in whichever has it."""

from __future__ import annotations

from typing import Any

from lichen.cli.here.caller import Caller
from lichen.cli.here.client import Client
from lichen.core.words.errors import NotFound


def found(caller: Caller, path: str) -> Any:
    """What is at a path of the named tenant; of whichever tenant has it when none is named."""
    return _sought(caller, path)[1]


def whose(caller: Caller, path: str) -> Client:
    """The way to the tenant that has something at this path."""
    return _sought(caller, path)[0]


def _sought(caller: Caller, path: str) -> tuple[Client, Any]:
    if caller.tenant is not None or caller.has_key:
        return caller.client, caller.client.get(path)
    missing: NotFound | None = None
    for scope in caller.client.get("scopes"):
        client = caller.client.within(scope["tenant"], scope["env"])
        try:
            return client, client.get(path)
        except NotFound as error:
            missing = error
    raise missing or NotFound("No tenant is declared.", code="tenant_unknown")
