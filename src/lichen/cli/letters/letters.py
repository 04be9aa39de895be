"""`lichen letters`: dead letters, messages in doubt, and those that could not be delivered."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.show.moments import moment

app = typer.Typer(name="letters", help="Messages that got stuck: seen, tried again, put away.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The id of a letter, from `letters list`.", metavar="ID")]
State = Annotated[str, typer.Option("--state", help="Only those that are dead, failed or in_doubt.", metavar="STATE")]
Channel = Annotated[str, typer.Option("--channel", help="Only those of this channel.", metavar="NAME")]
Delivered = Annotated[bool, typer.Option("--delivered", help="It was sent: the customer has it.")]


@app.command("list")
@calling
def list_all(caller: Caller, state: State = "", channel: Channel = "") -> None:
    """Lists what got stuck, the oldest first: since when, how, why, and what it says."""
    wanted = {name: value for name, value in (("state", state), ("channel", channel)) if value}
    found = caller.client.get(f"letters?{urlencode(wanted)}" if wanted else "letters")
    if caller.screen.data(found):
        return
    rows = [
        (each["id"], moment(each["at_us"]), each["channel"], each["state"], each["code"], each["text"] or "")
        for each in found
    ]
    caller.screen.table(("id", "since", "channel", "state", "why", "says"), rows, empty="Nothing is stuck.")


@app.command()
@calling
def show(caller: Caller, id: Id) -> None:
    """Shows one whole, as the record of a dead letter queue."""
    found = caller.client.get(f"letters/{segment(id)}")
    if caller.screen.data(found):
        return
    error = found["error"]
    caller.screen.line(f"{found['id']}: {found['state']}, {found['platform']}, {found['ts']}")
    caller.screen.line(f"{error['code']}: {error['message']}")
    caller.screen.line(f"{found['envelope']}")


@app.command()
@calling
def replay(caller: Caller, id: Id) -> None:
    """Has a message taken after all, or sent again."""
    _do(caller, id, "replay", "tried again")


@app.command()
@calling
def drop(caller: Caller, id: Id, delivered: Delivered = False) -> None:
    """Puts one away: it is neither taken nor sent any more."""
    _do(caller, id, "delivered" if delivered else "drop", "delivered" if delivered else "dropped")


def _do(caller: Caller, id: str, verb: str, done: str) -> None:
    fields: dict[str, Any] = {}
    caller.client.post(f"letters/{segment(id)}/{verb}", fields)
    if not caller.screen.data({"id": id, "outcome": done}):
        caller.screen.line(f"{id}: {done}.", "green")
