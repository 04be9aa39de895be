"""`lichen sessions`: one conversation, what is vouched for in it, and its end. `lichen list sessions` lists them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.show.moments import moment, usd
from lichen.cli.show.screen import Screen

app = typer.Typer(name="sessions", help="One conversation: what was said, and its end.", no_args_is_help=True)

Session = Annotated[str, typer.Argument(help="The id of a session.", metavar="SESSION")]
Sources = Annotated[list[str], typer.Option("--source", help="A source, such as third_party:web.fetch; repeatable.")]
Why = Annotated[str, typer.Option("--reason", help="Why you vouch for it; part of the record.")]


@app.command()
@calling
def show(caller: Caller, session: Session) -> None:
    """Shows the last of what was said in a session, and what it cost."""
    detail = caller.client.get(f"sessions/{segment(session)}")
    if caller.screen.data(detail):
        return
    caller.screen.line(f"{detail['id']}  {detail['agent']}, {detail['channel']}, {detail['customer']}", "bold")
    unread = "(not for you to read)" if detail["is_sealed"] else "(erased)"
    rows = [(moment(said["at_us"]), said["role"], said["text"] or unread) for said in detail["transcript"]]
    caller.screen.table(("at", "who", "said"), rows, empty="Nothing was said yet.")
    if detail["cost"] and detail["cost"]["models"]:
        _tell_cost(caller.screen, detail["cost"])


def _tell_cost(screen: Screen, cost: dict[str, Any]) -> None:
    """What its models cost, by model and in all."""
    rows = [
        (
            model["model"],
            str(model["requests"]),
            f"{model['input_tokens']:,}",
            f"{model['output_tokens']:,}",
            usd(model["micro_usd"]) + (" + unpriced" if model["unpriced"] else ""),
        )
        for model in cost["models"]
    ]
    screen.table(("model", "requests", "tokens in", "out", "cost"), rows, empty="No model was asked.")
    estimated = f", {usd(cost['estimated_micro_usd'])} of it estimated" if cost["estimated_micro_usd"] else ""
    screen.line(f"{usd(cost['micro_usd'])} in all{estimated}", "dim")
    for budget in cost["budgets"]:
        screen.line(f"{budget['name']}: {budget['used']:g} of {budget['bound']:g}", "dim")


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
