"""`lichen sessions`: conversations, one of them, what is told to it and vouched for in it, and its end. `lichen list
sessions` lists them in the order in which they began."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.show.moments import moment, usd
from lichen.cli.show.screen import Screen
from lichen.cli.show.waiting import tell_waiting

app = typer.Typer(name="sessions", help="Conversations: what was said, and how far it came.", no_args_is_help=True)

Channel = Annotated[str, typer.Option("--channel", help="Only those by this channel.", metavar="NAME")]
Stands = Annotated[
    str,
    typer.Option(
        "--standing", help="Only those that stand so: busy, handed, asked, waiting, quiet, closed.", metavar="STANDING"
    ),
]
Limit = Annotated[int, typer.Option("--limit", help="So many at most.", min=1, max=200)]
Session = Annotated[str, typer.Argument(help="The id of a session.", metavar="SESSION")]
Sources = Annotated[list[str], typer.Option("--source", help="A source, such as third_party:web.fetch; repeatable.")]
Text = Annotated[str, typer.Argument(help="What the customer reads.")]
Customer = Annotated[str, typer.Argument(help="Who: the channel and the platform's name for them.", metavar="CUSTOMER")]
Subject = Annotated[str, typer.Option("--subject", help="What it is about, for mail; left out, its first line.")]
Once = Annotated[str | None, typer.Option("--once", help="A word for this message: twice under one is once.")]
Why = Annotated[str, typer.Option("--reason", help="Why you vouch for it; part of the record.")]


@app.command("list")
@calling
def list_all(caller: Caller, channel: Channel = "", standing: Stands = "", limit: Limit = 50) -> None:
    """Lists conversations, the last to say something first: who said what, and what waits for a person."""
    wanted = {"channel": channel, "standing": standing}
    query = {"limit": str(limit), **{name: value for name, value in wanted.items() if value}}
    book = caller.client.get(f"conversations?{urlencode(query)}")
    if caller.screen.data(book):
        return
    rows = [
        (moment(each["last_at_us"]), each["id"], each["channel"], each["standing"], _stuck(each), _said(each))
        for each in book["conversations"]
    ]
    heads = ("at", "session", "channel", "stands", "stuck", "said last")
    caller.screen.table(heads, rows, empty="Nobody has said anything yet.")


def _stuck(each: dict[str, Any]) -> str:
    """What of it waits for a person."""
    counts = (("unread", each["unread"]), ("in doubt", each["in_doubt"]), ("not delivered", each["failed"]))
    return ", ".join(f"{count} {what}" for what, count in counts if count)


def _said(each: dict[str, Any]) -> str:
    said = each["said"]
    if said is None:
        return ""
    unread = "(not for you to read)" if each["is_sealed"] else "(erased)"
    return f"{said['by'] or said['role']}: {unread if said['text'] is None else said['text']}"


@app.command()
@calling
def show(caller: Caller, session: Session) -> None:
    """Shows the last of what was said in a session, how far each reply came, and what it cost."""
    detail = caller.client.get(f"sessions/{segment(session)}")
    if caller.screen.data(detail):
        return
    caller.screen.line(f"{detail['id']}  {detail['agent']}, {detail['channel']}, {detail['customer']}", "bold")
    unread = "(not for you to read)" if detail["is_sealed"] else "(erased)"
    rows = [(moment(said["at_us"]), said["role"], said["text"] or unread, _way(said)) for said in detail["transcript"]]
    caller.screen.table(("at", "who", "said", "is"), rows, empty="Nothing was said yet.")
    tell_waiting(caller.screen, detail["waiting"])
    if detail["cost"] and detail["cost"]["models"]:
        _tell_cost(caller.screen, detail["cost"])


def _way(said: dict[str, Any]) -> str:
    """How far a reply came; nothing for what the customer said."""
    return "" if said["delivery"] is None else said["delivery"]["summary"]


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
def tell(caller: Caller, session: Session, text: Text, once: Once = None) -> None:
    """Writes to the customer of a session, who did not ask."""
    told = caller.client.post(f"sessions/{segment(session)}/tell", {"text": text}, key=once)
    _tell_told(caller.screen, told)


@app.command()
@calling
def begin(caller: Caller, customer: Customer, text: Text, subject: Subject = "", once: Once = None) -> None:
    """Writes to somebody whom a channel can reach, in a conversation that need not be open yet."""
    channel, _, who = customer.partition(":")
    fields = {"to": who, "text": text, "subject": subject}
    told = caller.client.post(f"channels/{segment(channel)}/tell", fields, key=once)
    _tell_told(caller.screen, told)


def _tell_told(screen: Screen, told: dict[str, Any]) -> None:
    if not screen.data(told):
        before = ", as it was before" if told["is_repeated"] else ""
        screen.line(f"{told['message']} is on its way in {told['session']}{before}.", "green")


@app.command()
@calling
def close(caller: Caller, session: Session) -> None:
    """Ends a session: it takes no further message, and its runs are cancelled."""
    caller.client.post(f"sessions/{segment(session)}/close")
    if not caller.screen.data({"id": session, "done": "close"}):
        caller.screen.line(f"{session} is closed.")
