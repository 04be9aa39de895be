"""One run: where its time went, what was decided and why, what it cost, every record, and what can be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lichen.core.words.errors import NotFound
from lichen.core.words.ids import RunId
from lichen.core.words.limits import Usage
from lichen.core.words.wait import HALTING
from lichen.runtime.operations.runs import Explanation
from lichen.runtime.records import RecordView
from lichen.runtime.story import Person, Story
from lichen.serve.console.gist import gist
from lichen.serve.console.lanes import Timeline, timeline
from lichen.serve.console.visit import Outcome, Visit
from lichen.serve.console.walk import Walk, walk


class Decision(msgspec.Struct, frozen=True):
    """What the gate said of a call, and what a person answered where it held the call.

    `public_reason` may be told to the customer, `operator_reason` not.
    """

    call: str
    tool: str
    verdict: str
    at_us: int
    policies: tuple[str, ...]
    public_reason: str
    operator_reason: str
    arguments: Mapping[str, Any]
    origins: Mapping[str, str]
    facts: Mapping[str, Any]
    sources: tuple[str, ...]
    people: tuple[Person, ...] = ()


class RecordLine(msgspec.Struct, frozen=True):
    """A record with what it says in a few words."""

    what: str
    record: RecordView


class Cost(msgspec.Struct, frozen=True):
    """What the run used of what it may use; money in millionths of a US dollar."""

    calls: int
    calls_max: int
    tokens: int
    tokens_max: int
    micro_usd: int
    time_max_s: float


class RunPage(msgspec.Struct, frozen=True):
    """Everything about one run. `answer` is None until there is one, or once it was erased."""

    id: RunId
    agent: str
    status: str
    code: str
    session: str | None
    turn: str | None
    parent: str | None
    subject: str
    answer: str | None
    story: Story
    explanation: Explanation
    open_waits: tuple[str, ...]
    is_halted: bool
    cost: Cost
    pins: Mapping[str, str]
    timeline: Timeline
    walk: Walk | None
    decisions: tuple[Decision, ...]
    records: tuple[RecordLine, ...]


async def show(visit: Visit) -> RunPage:
    """The run of the path. Raises NotFound (`run_unknown`)."""
    runtime, scope = visit.runtime, visit.scope
    detail = runtime.runs.show(scope, run_of(visit), visit.actor)
    explanation = runtime.runs.explain(scope, detail.id, visit.actor)
    records = detail.records
    begun = records[0].control
    return RunPage(
        id=detail.id,
        agent=detail.agent,
        status=detail.status,
        code=detail.code,
        session=begun["session"],
        turn=begun["turn"],
        parent=begun["parent"]["run"] if begun["parent"] else None,
        subject=begun["subject"],
        answer=detail.story.answer,
        story=detail.story,
        explanation=explanation,
        open_waits=tuple(_open_waits(visit, explanation)),
        is_halted=any(wait["kind"] in HALTING for wait in explanation.waits),
        cost=_cost(records, detail.calls_used),
        pins=begun["pins"],
        timeline=timeline(records, lambda run: _records_of(visit, run), visit.now_us),
        walk=walk(visit.runtime.agents.all(scope, visit.actor), detail),
        decisions=tuple(_decisions(records, detail.story)),
        records=tuple(RecordLine(gist(record), record) for record in records),
    )


def run_of(visit: Visit) -> RunId:
    """The run that the path names."""
    return RunId(visit.part("run"))


def _records_of(visit: Visit, run: str) -> tuple[RecordView, ...]:
    try:
        return visit.runtime.runs.show(visit.scope, RunId(run), visit.actor).records
    except NotFound:
        return ()


def _open_waits(visit: Visit, run: Explanation) -> Iterator[str]:
    """What a person is asked by the run, or by a child run it waits for."""
    yield from (wait["id"] for wait in run.waits if wait["kind"] in ("approval", "reconcile"))
    for child in run.children:
        yield from _open_waits(visit, visit.runtime.runs.explain(visit.scope, RunId(child), visit.actor))


def _cost(records: tuple[RecordView, ...], calls: int) -> Cost:
    limits = records[0].control["limits"]
    usage = Usage()
    for record in records:
        if record.type == "planned":
            usage += Usage(**record.control["usage"])
    return Cost(calls, limits["calls"], usage.tokens, limits["tokens"], usage.cost_micro_usd, limits["time_s"])


def _decisions(records: tuple[RecordView, ...], story: Story) -> list[Decision]:
    people = {call.id: call.people for call in story.calls}
    tools: dict[str, str] = {}
    arguments: dict[str, Any] = {}
    found: list[Decision] = []
    for record in records:
        contents = record.contents or {}
        if record.type == "planned":
            for planned in record.control["calls"]:
                tools[planned["id"]] = planned["tool"]
                arguments[planned["id"]] = contents.get(f"{planned['id']}/args") or {}
        elif record.type == "decided":
            call: str = record.control["call"]
            found.append(
                Decision(
                    call,
                    tools.get(call, call),
                    record.control["verdict"],
                    record.ts_us,
                    tuple(record.control["policies"]),
                    str(contents.get("public") or ""),
                    str(contents.get("operator") or ""),
                    arguments.get(call, {}),
                    contents.get("origins") or {},
                    contents.get("facts") or {},
                    record.sources,
                    people.get(call, ()) if record.control["verdict"] == "hold" else (),
                )
            )
    return found


async def cancel(visit: Visit) -> Outcome:
    """Ends the run."""
    await visit.runtime.runs.cancel(visit.scope, run_of(visit), visit.actor)
    return _back(visit)


async def pause(visit: Visit) -> Outcome:
    """Halts the run at its next step."""
    await visit.runtime.runs.pause(visit.scope, run_of(visit), visit.actor)
    return _back(visit)


async def resume(visit: Visit) -> Outcome:
    """Lets a paused run go on."""
    await visit.runtime.runs.resume(visit.scope, run_of(visit), visit.actor)
    return _back(visit)


def _back(visit: Visit) -> Outcome:
    return Outcome(f"/console/runs/{run_of(visit)}")
