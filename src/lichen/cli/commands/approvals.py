"""`lichen approvals`: what waits for a person, and the answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, cast

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import segment
from lichen.cli.show.card import call
from lichen.cli.show.moments import moment
from lichen.core.words.errors import Invalid

app = typer.Typer(name="approvals", help="What waits for a person, and the answers.", no_args_is_help=True)

REST_S = 20.0

Id = Annotated[str, typer.Argument(help="The id of what waits, from `approvals list`.", metavar="ID")]
Note = Annotated[str, typer.Option(help="Why, for the log.")]
Digest = Annotated[str | None, typer.Option(help="The digest shown with it: the answer is about exactly that.")]


class Outcome(StrEnum):
    """What a person found out about an effect in doubt."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did_not_happen"
    TRY_AGAIN = "try_again"


@app.command("list")
@calling
def list_waits(
    caller: Caller,
    closed: Annotated[bool, typer.Option("--closed", help="What was decided, the last decision first.")] = False,
    limit: Annotated[int, typer.Option(help="How many decisions, at most.", min=1, max=200)] = 50,
) -> None:
    """Lists what waits for a person, the oldest first."""
    waits = caller.client.get("approvals/closed", limit=limit) if closed else caller.client.get("approvals")
    if caller.screen.data(waits):
        return
    if closed:
        rows = [(w["id"], call(w), *_decided(w["decision"])) for w in waits]
        caller.screen.table(("id", "call", "decision", "by", "when", "note"), rows, empty="Nothing was decided yet.")
        return
    if caller.screen.is_terminal:
        from lichen.cli.show.card import draw_card

        for wait in waits:
            draw_card(caller.screen, wait, caller.options)
    if not caller.screen.is_terminal or not waits:
        rows = [(w["id"], w["kind"], call(w), w["asked"]["reason"]) for w in waits]
        caller.screen.table(("id", "kind", "call", "reason"), rows, empty="Nothing waits for a person.")


@app.command()
@calling
def show(
    caller: Caller,
    id: Id,
    closed: Annotated[bool, typer.Option("--closed", help="One that was answered, and how.")] = False,
) -> None:
    """Shows one: the resolved call, the facts, the policy's reason, where each argument came from."""
    wait = caller.client.get(f"approvals/closed/{segment(id)}" if closed else f"approvals/{segment(id)}")
    if caller.screen.data(wait):
        return
    from lichen.cli.show.card import draw_card, rows

    if caller.screen.is_terminal and not closed:
        draw_card(caller.screen, wait, caller.options)
    else:
        for name, text in rows(wait):
            caller.screen.line(f"{name:<10}  {text}")


@app.command()
@calling
def approve(caller: Caller, id: Id, note: Note = "", digest: Digest = None) -> None:
    """Agrees to the call. Policy and facts are checked again before it is made.

    Returns when what this set going has come to rest, at the latest after 20 seconds.
    """
    _answer(caller, id, "approve", "approved", {"note": note, "digest": digest})


@app.command()
@calling
def deny(caller: Caller, id: Id, note: Note = "", digest: Digest = None) -> None:
    """Refuses the call; the agent is told and answers accordingly."""
    _answer(caller, id, "deny", "denied", {"note": note, "digest": digest})


@app.command()
@calling
def reconcile(
    caller: Caller,
    id: Id,
    outcome: Annotated[Outcome, typer.Argument(help="What you found out in the other system.")],
    result: Annotated[str | None, typer.Option(help="The tool's result as JSON, when it happened.")] = None,
    note: Note = "",
) -> None:
    """Says what became of an effect that was started and never confirmed."""
    body = _object(result) if result is not None else None
    _answer(caller, id, "reconcile", outcome.value, {"outcome": outcome.value, "result": body, "note": note})


@app.command()
@calling
def reply(
    caller: Caller,
    id: Id,
    text: Annotated[str, typer.Argument(help="What the customer reads; empty closes it without a word.")] = "",
    stay: Annotated[bool, typer.Option("--stay", help="There is more to say: the conversation stays yours.")] = False,
) -> None:
    """Answers a customer who asked for a person."""
    result = {"text": text, "goes_on": stay} if text else {}
    caller.client.post(f"waits/{segment(id)}/answer", {"result": result})
    run = caller.client.get(f"runs/{segment(id.partition('.')[0])}/result", wait_s=REST_S)
    if not caller.screen.data({"id": id, "outcome": "answered", "run": run}):
        caller.screen.line(f"{id}: {'sent' if text else 'closed'}.", "green")


def _answer(caller: Caller, id: str, verb: str, done: str, fields: dict[str, Any]) -> None:
    """Answers, then waits for what the answer set going: the next command sees what came of it."""
    caller.client.post(f"approvals/{segment(id)}/{verb}", fields)
    run = caller.client.get(f"runs/{segment(id.partition('.')[0])}/result", wait_s=REST_S)
    if not caller.screen.data({"id": id, "outcome": done, "run": run}):
        status = f"its run is {run['status']}"
        caller.screen.line(f"{id}: {done.replace('_', ' ')}; {status}.", "green" if done == "approved" else None)


def _decided(decision: dict[str, Any]) -> tuple[str, str, str, str]:
    outcome = decision["outcome"].replace("_", " ") + (" (their own request)" if decision["is_own"] else "")
    return outcome, decision["by_name"] or "nobody", moment(decision["at_us"]), decision["note"]


def _object(text: str) -> dict[str, Any]:
    import json

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Invalid("--result is not a JSON object.", code="result_invalid", place="--result")
    return cast(dict[str, Any], value)
