"""`lichen sessions`: one conversation, what is vouched for in it, and its end. `lichen list sessions` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.show.moments import moment

app = typer.Typer(name="sessions", help="One conversation: what was said, and its end.", no_args_is_help=True)

Session = Annotated[str, typer.Argument(help="The id of a session.", metavar="SESSION")]
Sources = Annotated[list[str], typer.Option("--source", help="A source, such as third_party:web.fetch; repeatable.")]
Why = Annotated[str, typer.Option("--reason", help="Why you vouch for it; part of the record.")]


@app.command()
@calling
def show(caller: Caller, session: Session) -> None:
    """Shows the last of what was said in a session."""
    detail = caller.client.get(f"sessions/{segment(session)}")
    if caller.screen.data(detail):
        return
    caller.screen.line(f"{detail['id']}  {detail['agent']}, {detail['channel']}, {detail['customer']}", "bold")
    rows = [(moment(said["at_us"]), said["role"], said["text"] or "(erased)") for said in detail["transcript"]]
    caller.screen.table(("at", "who", "said"), rows, empty="Nothing was said yet.")


@app.command()
@calling
def declassify(caller: Caller, session: Session, source: Sources, reason: Why) -> None:
    """Vouches for what was read: the turns to come go without these sources of its label.

    `lichen runs show RUN --json` names the sources of each record."""
    caller.client.post(f"sessions/{segment(session)}/declassify", {"sources": source, "reason": reason})
    if not caller.screen.data({"id": session, "declassified": source}):
        caller.screen.line(f"{session} goes on without {', '.join(source)}.")


@app.command()
@calling
def close(caller: Caller, session: Session) -> None:
    """Ends a session: it takes no further message, and its runs are cancelled."""
    caller.client.post(f"sessions/{segment(session)}/close")
    if not caller.screen.data({"id": session, "done": "close"}):
        caller.screen.line(f"{session} is closed.")
