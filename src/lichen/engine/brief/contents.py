"""What a planner is told that lies in the contents of records: messages, results, answers, what it kept for itself."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lichen.core.deciders.run import Result
from lichen.core.ports.call import Issue
from lichen.core.ports.plan import CallResult, Message, WaitAnswer
from lichen.engine.act import Act

_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])
_ISSUES = msgspec.json.Decoder(tuple[Issue, ...])


def inputs(act: Act, positions: Sequence[int]) -> tuple[Message, ...]:
    """The messages in the `input` contents of these records."""
    found = (act.contents(n).get("input", b"[]") for n in positions)
    return tuple(message for data in found for message in _MESSAGES.decode(data))


def results(act: Act, closed: Sequence[Result]) -> tuple[CallResult, ...]:
    """How these calls ended, in the order they were planned in."""
    ordered = sorted(closed, key=lambda r: int(r.call[1:]))
    return tuple(_result(act, r) for r in ordered)


def _result(act: Act, r: Result) -> CallResult:
    contents = act.contents(r.n)
    issues = contents.get("issues")
    return CallResult(
        call=r.call,
        tool=r.tool,
        args=act.contents(r.planned_n).get(f"{r.call}/args", b"{}"),
        outcome=r.outcome,
        data=contents.get("result", b""),
        code=r.code,
        reason=contents.get("reason", b"").decode(),
        issues=_ISSUES.decode(issues) if issues else (),
    )


def answers(act: Act) -> tuple[WaitAnswer, ...]:
    """The answers that the next plan is made for."""
    return tuple(WaitAnswer(a.wait, a.kind, a.outcome, act.contents(a.n).get("body", b"")) for a in act.state.answers)


def planner_state(act: Act) -> bytes:
    """What the planner kept for itself, empty for nothing."""
    ref = act.state.planner_state
    return b"" if ref is None else act.contents(ref.n)[ref.part]
