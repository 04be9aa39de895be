"""Waits as the people who answer them see them: what exactly is asked, on which facts, and how it was answered."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.ports.plan import Awaited
from lichen.core.words.ids import RunId, SessionId, WaitId
from lichen.core.words.wait import WaitKind, WaitOutcome
from lichen.log.log import Log
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.record import Record
from lichen.runtime.redaction import hiding, nothing_hidden
from lichen.runtime.views.asked import Asked, Setting, asked, fields_of, line
from lichen.runtime.views.record import Sight

SUMMARY_CHARS_MAX = 200


class Decision(msgspec.Struct, frozen=True):
    """How a wait was answered: by whom (a pseudonym, and the name where it is known), when, and with which note.

    `is_own`: they approved what they had asked for themselves.
    """

    outcome: WaitOutcome
    by: str
    by_name: str
    at_us: int
    note: str
    is_own: bool


class WaitView(msgspec.Struct, frozen=True):
    """A wait. `id` names it in its scope; `digest` is what an answer is bound to; `decision` comes with its end.

    `asked` is what whoever decides is shown, whatever asks for it; `summary` is that on one line. `operator` is what
    lies behind: for an approval, the resolved call (`tool`, `arguments`), the `facts`, the policy's `reason`, and in
    `origins` where each argument came from. `requesters` spoke for it and may not approve it. `answer_schema` is what
    an answer must fit, `awaits` which results it must bring. `is_sealed`: whoever reads it may not read what is asked.
    """

    id: str
    run: RunId
    wait: WaitId
    kind: WaitKind
    may_answer: tuple[str, ...]
    digest: str
    opened_at_us: int
    expires_at_us: int | None
    public_text: str
    operator: dict[str, Any]
    asked: Asked
    agent: str
    session: SessionId | None
    customer: str
    customer_name: str
    requesters: tuple[str, ...]
    summary: str
    decision: Decision | None = None
    answer_schema: dict[str, Any] = {}
    awaits: tuple[Awaited, ...] = ()
    is_sealed: bool = False


class Pair(NamedTuple):
    """The records that opened and closed a wait."""

    opening: Record
    closing: Record | None


def wait_view(log: Log, whose: StreamRow | RunState, pair: Pair, setting: Setting, sight: Sight) -> WaitView:
    """A wait of a run, from the records that opened and closed it."""
    opening, closing = pair
    hide = nothing_hidden if sight.is_sealed else hiding(log, opening.stream)
    each = sight.opened(log, opening, hide)
    control = opening.control
    assert isinstance(control, e.WaitOpened)
    operator = fields_of(each.json("operator"))
    what = asked(operator, setting)
    return WaitView(
        id=f"{control.run}.{control.wait}",
        run=control.run,
        wait=control.wait,
        kind=control.kind,
        may_answer=control.may_answer,
        digest=control.digest.hex(),
        opened_at_us=each.record.ts_us,
        expires_at_us=control.expires_at_us,
        public_text=each.text("public"),
        operator=operator,
        asked=what,
        agent=whose.agent,
        session=SessionId(whose.session) if whose.session is not None else None,
        customer=whose.subject,
        customer_name=sight.name_of(log, whose.subject),
        requesters=tuple(sight.name_of(log, requester) for requester in control.requesters),
        summary=(line(what.details) or what.title)[:SUMMARY_CHARS_MAX],
        decision=None if closing is None else _decision(log, closing, sight),
        answer_schema=fields_of(each.json("schema")),
        awaits=msgspec.convert(each.json("awaits") or [], tuple[Awaited, ...]),
        is_sealed=sight.is_sealed,
    )


def _decision(log: Log, closing: Record, sight: Sight) -> Decision:
    each = sight.opened(log, closing, nothing_hidden)
    control = each.record.control
    assert isinstance(control, e.WaitClosed)
    note = str(fields_of(each.json("body")).get("note") or "")
    by_name = sight.name_of(log, control.by) if control.by else ""
    return Decision(control.outcome, control.by, by_name, each.record.ts_us, note, control.is_own)
