"""What a planner is told that lies in the contents of records: messages, results, answers, what it kept for itself."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lichen.core.call import Issue
from lichen.core.ids import RunId, run_stream
from lichen.core.plan import CallResult, Message, WaitAnswer
from lichen.core.run import Result, RunState
from lichen.engine.journal import Journal

_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])
_ISSUES = msgspec.json.Decoder(tuple[Issue, ...])


def inputs(journal: Journal, run: RunId, positions: Sequence[int]) -> tuple[Message, ...]:
    """The messages in the `input` contents of these records."""
    stream = run_stream(run)
    found = (journal.log.contents(stream, n).get("input", b"[]") for n in positions)
    return tuple(message for data in found for message in _MESSAGES.decode(data))


def results(journal: Journal, run: RunId, closed: Sequence[Result]) -> tuple[CallResult, ...]:
    """How these calls ended, in the order they were planned in."""
    ordered = sorted(closed, key=lambda r: int(r.call[1:]))
    return tuple(_result(journal, run, r) for r in ordered)


def _result(journal: Journal, run: RunId, r: Result) -> CallResult:
    stream = run_stream(run)
    contents = journal.log.contents(stream, r.n)
    issues = contents.get("issues")
    return CallResult(
        call=r.call,
        tool=r.tool,
        args=journal.log.contents(stream, r.planned_n).get(f"{r.call}/args", b"{}"),
        outcome=r.outcome,
        data=contents.get("result", b""),
        code=r.code,
        reason=contents.get("reason", b"").decode(),
        issues=_ISSUES.decode(issues) if issues else (),
    )


def answers(journal: Journal, state: RunState) -> tuple[WaitAnswer, ...]:
    """The answers that the next plan is made for."""
    stream = run_stream(state.id)
    return tuple(
        WaitAnswer(a.wait, a.kind, a.outcome, journal.log.contents(stream, a.n).get("body", b"")) for a in state.answers
    )


def planner_state(journal: Journal, state: RunState) -> bytes:
    """What the planner kept for itself, empty for nothing."""
    ref = state.planner_state
    return b"" if ref is None else journal.log.contents(run_stream(state.id), ref.n)[ref.part]
