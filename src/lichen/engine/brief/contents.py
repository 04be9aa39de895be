"""What a planner is told that lies in the contents of records: messages, results, answers, what it kept for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from lichen.core.deciders.run import Result
from lichen.core.ports.call import Issue, Recovery, ToolSpec
from lichen.core.ports.plan import CallResult, Message, WaitAnswer
from lichen.core.ports.recovery import Trouble, trouble_of
from lichen.engine.act import Act
from lichen.engine.brief.pages import bounds_note, name_of, shown_args, shown_result
from lichen.tools.arguments.example import example_of

Role = Literal["customer", "operator", "service", "system"]

_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])
_RECOVERY: dict[str, Recovery] = {"correct_call": "correct_call", "replan": "replan", "finish": "finish"}
_ISSUES = msgspec.json.Decoder(tuple[Issue, ...])


def inputs(act: Act, positions: Sequence[int]) -> tuple[Message, ...]:
    """The messages in the `input` contents of these records."""
    found = (act.contents(n).get("input", b"[]") for n in positions)
    return tuple(message for data in found for message in _MESSAGES.decode(data))


def message(role: Role, contents: Mapping[str, bytes], by: str = "") -> Message:
    """The message in the contents `text` and `data` of a record."""
    data = contents.get("data")
    return _composed(role, contents.get("text", b"").decode(), msgspec.json.decode(data) if data else None, by)


def _composed(role: Role, text: str, data: Any, by: str = "") -> Message:
    """A message of words, data or both: an object gets the words as its `text`, data alone is its own words."""
    if data is None:
        return Message(role, text, by)
    if not text:
        return Message(role, msgspec.json.encode(data).decode(), by, data)
    return Message(role, text, by, {**cast(dict[str, Any], data), "text": text} if isinstance(data, dict) else data)


def results(act: Act, closed: Sequence[Result]) -> tuple[CallResult, ...]:
    """How these calls ended, in the order they were planned in."""
    ordered = sorted(closed, key=lambda r: int(r.call[1:]))
    return tuple(_result(act, r) for r in ordered)


def _result(act: Act, r: Result) -> CallResult:
    contents = act.contents(r.n)
    issues = contents.get("issues")
    spec, asked_for = _spec(act, r), act.contents(r.planned_n)
    args, data = asked_for.get(f"{r.call}/args", b"{}"), contents.get("result", b"")
    reminder = "" if spec is None or r.outcome != "ok" else _reminder(act, r, spec, data, asked_for)
    if spec is not None:
        args, data = shown_args(spec, args), shown_result(spec, data)
    if r.outcome == "ok":
        trouble, example = Trouble(), b""
    else:
        asked = _RECOVERY.get(contents.get("recovery", b"").decode(), "")
        trouble = trouble_of(r.outcome, r.code, asked=asked, has_issues=issues is not None)
        example = example_of(spec) if spec is not None and trouble.recovery == "correct_call" else b""
    return CallResult(
        call=r.call,
        tool=r.tool,
        args=args,
        outcome=r.outcome,
        data=data,
        code=r.code,
        reason=contents.get("reason", b"").decode(),
        issues=_ISSUES.decode(issues) if issues else (),
        kind=trouble.kind,
        recovery=trouble.recovery,
        example=example,
        reminder=reminder,
        run=r.child,
        foreign_code=contents.get("foreign_code", b"").decode(),
    )


def _reminder(act: Act, r: Result, spec: ToolSpec, data: bytes, asked: Mapping[str, bytes]) -> str:
    """What a model is told beside a good result: the tool's own reminder, and how to go on where it was cut off."""
    if spec.pages is None:
        return spec.reminder
    action = None if act.state.is_synthesis else name_of(act.state.id, r.call, asked)
    note = bounds_note(spec, action, data)
    return "\n".join(said for said in (spec.reminder, note) if said)


def _spec(act: Act, r: Result) -> ToolSpec | None:
    tool = act.agent.tools.get(r.tool) if act.agent is not None else None
    return None if tool is None else tool.spec


def answers(act: Act) -> tuple[WaitAnswer, ...]:
    """The answers that the next plan is made for."""
    return tuple(WaitAnswer(a.wait, a.kind, a.outcome, act.contents(a.n).get("body", b"")) for a in act.state.answers)


def planner_state(act: Act) -> bytes:
    """What the planner kept for itself, empty for nothing."""
    ref = act.state.planner_state
    return b"" if ref is None else act.contents(ref.n)[ref.part]
