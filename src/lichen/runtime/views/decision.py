"""What the gate decided of each call of a run: which policies, on which arguments and facts, and who answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import UNAVAILABLE
from lichen.core.words.ids import CallId
from lichen.runtime.views.asked import Setting, Shown, values_of_call
from lichen.runtime.views.record import Opened
from lichen.runtime.views.story.call import Person
from lichen.runtime.views.summary import summary_of


class GateDecision(msgspec.Struct, frozen=True):
    """What the gate said of a call, and what a person answered where it held the call.

    `public_reason` may be told to the customer, `operator_reason` not. `meters` is what had been counted before it;
    `sources` is the label it was decided on.
    """

    call: str
    tool: str
    verdict: Literal["allow", "deny", "hold"]
    at_us: int
    policies: tuple[str, ...]
    public_reason: str
    operator_reason: str
    arguments: tuple[Shown, ...]
    facts: tuple[Shown, ...]
    meters: tuple[Shown, ...]
    sources: tuple[str, ...]
    people: tuple[Person, ...]
    summary: str


class _Planned(msgspec.Struct, frozen=True):
    tool: str
    arguments: Any


def decisions(
    records: Sequence[Opened], people: Mapping[str, tuple[Person, ...]], setting: Setting
) -> tuple[GateDecision, ...]:
    """Every decision of a run, in order; `people` are those who answered, by call."""
    calls: dict[CallId, _Planned] = {}
    found: list[GateDecision] = []
    for each in records:
        match each.record.control:
            case e.Planned() as control:
                calls |= {call.id: _planned(each, call) for call in control.calls}
            case e.Decided() as control:
                call = calls.get(control.call, _Planned(control.call, None))
                held = people.get(control.call, ()) if control.verdict == "hold" else ()
                found.append(_decision(each, control, call, held, setting))
            case _:
                pass
    return tuple(found)


def _planned(each: Opened, call: e.PlannedCall) -> _Planned:
    named = each.text(f"{call.id}/tool") if call.tool == UNAVAILABLE else ""
    return _Planned(named or call.tool, each.json(f"{call.id}/args"))


def _decision(
    each: Opened, control: e.Decided, call: _Planned, people: tuple[Person, ...], setting: Setting
) -> GateDecision:
    given = {part: each.json(part) for part in ("origins", "facts", "meters")}
    values = values_of_call(call.tool, {**given, "arguments": call.arguments}, setting)
    return GateDecision(
        call=control.call,
        tool=call.tool,
        verdict=control.verdict,
        at_us=each.record.ts_us,
        policies=control.policies,
        public_reason=each.text("public"),
        operator_reason=each.text("operator"),
        arguments=values.arguments,
        facts=values.facts,
        meters=values.meters,
        sources=each.record.label.sources,
        people=people,
        summary=summary_of(control),
    )
