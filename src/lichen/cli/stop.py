"""`lichen stop` and `lichen start`: the kill switch."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from lichen.cli.caller import Caller, calling
from lichen.core.errors import Invalid


class Kind(StrEnum):
    """What can be stopped."""

    TENANT = "tenant"
    AGENT = "agent"
    TOOL = "tool"
    RUN = "run"


What = Annotated[Kind, typer.Argument(help="What kind of thing.")]
Name = Annotated[str, typer.Argument(help="Its name or id; a tenant is the one of --tenant.", metavar="[NAME]")]


@calling
def stop(
    caller: Caller, kind: What, name: Name = "", reason: Annotated[str, typer.Option(help="Why, for the log.")] = ""
) -> None:
    """Stops a tool, agent, run or tenant.

    From now on nothing of it begins an effect; what has begun is brought to its end."""
    caller.client.post("stops", {"kind": kind.value, "name": _checked(kind, name), "reason": reason})
    _confirm(caller, kind, name, "stopped")


@calling
def start(caller: Caller, kind: What, name: Name = "") -> None:
    """Takes a stop back."""
    caller.client.post("stops/release", {"kind": kind.value, "name": _checked(kind, name)})
    _confirm(caller, kind, name, "started")


def _checked(kind: Kind, name: str) -> str:
    if not name and kind is not Kind.TENANT:
        raise Invalid(f"No {kind.value} is named.", code="name_missing", next_step=f"Say which {kind.value}.")
    return name


def _confirm(caller: Caller, kind: Kind, name: str, done: str) -> None:
    if not caller.screen.data({"kind": kind.value, "name": name, "state": done}):
        caller.screen.line(f"{kind.value} {name} is {done}.".replace("  ", " "))
