"""A conversation that took place, as a case: what was said, what the tools gave, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.evals.document import CallMade, Case, Stub, Suite, Turn

Shown = Mapping[str, Any]
"""What a view of a run or session says, as JSON."""

ANSWERS: Final = {"approved": "approves", "denied": "denies"}


def case_of(name: str, session: Shown | None, runs: Sequence[Shown]) -> Case:
    """The case of a conversation up to the last of these runs, or of that run alone where it had none.

    Raises Invalid (`eval_run_erased`) where words of it are gone, `eval_run_silent` where nobody said anything.
    """
    by_id = {run["id"]: run for run in runs}
    turns = [turn for run, text in _said(session, runs, by_id) for turn in _turns(run, text)]
    if not turns:
        step = "Name a run that a customer's message began."
        raise Invalid("Nobody said anything in this run.", code="eval_run_silent", next_step=step)
    stubs = [stub for run in runs for call in run["story"]["calls"] for stub in _stub(call, run)]
    last = runs[-1]
    return Case(name, turns, person=last["story"]["who"], agent=last["agent"], stubs=stubs)


def written(suite: Suite) -> bytes:
    """A file of evals."""
    return msgspec.toml.encode(suite)


def _said(session: Shown | None, runs: Sequence[Shown], by_id: Mapping[str, Shown]) -> Iterator[tuple[Shown, str]]:
    """What was said to each run, in order."""
    if session is None:
        yield from ((run, text) for run in runs for text in _texts(run["story"]["asked"]))
        return
    for message in session["transcript"]:
        if message["role"] == "customer" and message["run"] in by_id:
            yield from ((by_id[message["run"]], text) for text in _texts([message["text"]]))


def _texts(texts: Sequence[str | None]) -> Iterator[str]:
    for text in texts:
        if not text:
            step = "Choose another run: what was erased stays so."
            raise Invalid("Words of this run were erased.", code="eval_run_erased", next_step=step)
        yield text


def _turns(run: Shown, text: str) -> Iterator[Turn]:
    """The message, what was called upon it, and what people answered to that."""
    calls = run["story"]["calls"]
    answered = [(call, person) for call in calls for person in call["people"] if person["outcome"] in ANSWERS]
    held = {call["id"] for call, _ in answered}
    made = [_made(call, is_held=call["id"] in held) for call in calls]
    yield Turn(says=text, calls=made, outcome="" if held else _heard(run))
    for call, person in answered:
        yield Turn(**{ANSWERS[person["outcome"]]: person["name"]}, calls=[_made(call, is_held=False)])


def _made(call: Shown, *, is_held: bool) -> CallMade:
    args = _arguments(call)
    if is_held:
        return CallMade(call["tool"], args, decision="hold")
    return CallMade(call["tool"], args, decision=call["verdict"], outcome=call["outcome"])


def _arguments(call: Shown) -> Mapping[str, Any]:
    found = call["arguments"]
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _heard(run: Shown) -> Any:
    return {"completed": "answered", "failed": "failed", "cancelled": "cancelled"}.get(run["status"], "")


def _stub(call: Shown, run: Shown) -> Iterator[Stub]:
    """What the tool gave, where it was reached, and the facts that policy read.

    What was never decided reached none: there is no such tool, or these were no arguments of it, and so it is again.
    """
    if call["effects"] == "child" or not call["verdict"] or call["outcome"] not in ("ok", "failed"):
        return
    args = _arguments(call)
    facts = _facts(call["id"], run)
    if call["outcome"] == "ok":
        yield Stub(call["tool"], args, result=call["result"], facts=facts)
    else:
        yield Stub(call["tool"], args, error=call["code"] or "failed", facts=facts)


def _facts(call: str, run: Shown) -> Any:
    decided = [
        record["contents"].get("facts")
        for record in run["records"]
        if record["type"] == "decided" and record["control"].get("call") == call and record["contents"]
    ]
    return decided[-1] if decided else None
