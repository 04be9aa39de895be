"""`lichen handovers`: conversations that a person is to have."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.show.moments import moment

app = typer.Typer(name="handovers", help="Conversations that a person is to have.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The id of a hand-over, from `handovers list`.", metavar="ID")]
LastText = Annotated[str, typer.Argument(help="The last thing the customer reads; empty for nothing.")]


@app.command("list")
@calling
def list_all(caller: Caller) -> None:
    """Lists them, the oldest first: who wants a person, who has it, how much is unread."""
    found = caller.client.get("handovers")
    if caller.screen.data(found):
        return
    rows = [
        (each["id"], each["has"] or "nobody", str(len(each["unread"])), _until(each), each["said"]) for each in found
    ]
    caller.screen.table(("id", "has it", "unread", "until", "said"), rows, empty="Nobody wants a person.")


@app.command()
@calling
def take(caller: Caller, id: Id) -> None:
    """Makes a conversation yours, whoever had it."""
    _do(caller, id, "take", {}, "it is yours")


@app.command()
@calling
def reply(caller: Caller, id: Id, text: Annotated[str, typer.Argument(help="What the customer reads.")]) -> None:
    """Writes to the customer; the conversation is yours from then on."""
    _do(caller, id, "reply", {"text": text}, "sent")


@app.command("return")
@calling
def give_back(caller: Caller, id: Id, text: LastText = "") -> None:
    """Gives a conversation back: the assistant goes on."""
    _do(caller, id, "end", {"then": "returned", "text": text}, "the assistant has it again")


@app.command()
@calling
def close(caller: Caller, id: Id, text: LastText = "") -> None:
    """Ends a hand-over: everything is said."""
    _do(caller, id, "end", {"then": "closed", "text": text}, "closed")


def _do(caller: Caller, id: str, verb: str, fields: dict[str, Any], done: str) -> None:
    caller.client.post(f"handovers/{segment(id)}/{verb}", fields)
    if not caller.screen.data({"id": id, "outcome": done}):
        caller.screen.line(f"{id}: {done}.", "green")


def _until(handover: dict[str, Any]) -> str:
    expires_at_us = handover["expires_at_us"]
    return moment(expires_at_us) if expires_at_us is not None else "for good"
