"""A conversation that is handed over to a person: how that begins, and how the assistant gets it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.ports.plan import Plan, WaitRequest
from lichen.core.words.content import Content
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import root_run
from lichen.core.words.wait import Wait
from lichen.engine.act import Act, SessionAct
from lichen.engine.sends.sends import ruled


class Opened(NamedTuple):
    """The waits of a plan as they are opened: what the customer is told of each, the records of the run, and, where
    it is a hand-over, that of its session. `left` are the requests that stay open."""

    told: tuple[WaitRequest, ...]
    left: tuple[WaitRequest, ...]
    run: moves.Drafts
    session: moves.Drafts = ()


def opened(act: Act, requests: Sequence[WaitRequest], waits: moves.Drafts) -> Opened:
    """The waits as run and session get them. A conversation is handed over once at a time: of a second request the
    customer is told that somebody was asked already, and its run goes on.

    When nobody attends to it, is the session's to know, so the run's own record has no time.
    """
    session = act.session
    if session is None or not any(request.kind == "handover" for request in requests):
        return Opened(tuple(requests), tuple(requests), waits)
    is_asked = session.mailbox.handover is not None
    found = Opened((), (), ())
    declined: moves.Drafts = ()
    for request, draft in zip(requests, waits, strict=True):
        control = draft.control
        if request.kind != "handover" or not isinstance(control, e.WaitOpened):
            found = _and(found, request, draft)
        elif is_asked:
            declined = (*declined, e.Draft(e.WaitClosed(control.run, control.wait, "declined")))
            told = msgspec.structs.replace(request, public_text=act.texts.asked_already)
            found = found._replace(told=(*found.told, told), run=(*found.run, _without_time(draft, control)))
        else:
            is_asked = True
            found = _and(found, request, _without_time(draft, control))._replace(session=(e.Draft(control),))
    return found._replace(run=(*found.run, *declined))


def _and(found: Opened, request: WaitRequest, draft: e.Draft) -> Opened:
    return found._replace(told=(*found.told, request), left=(*found.left, request), run=(*found.run, draft))


def _without_time(draft: e.Draft, control: e.WaitOpened) -> e.Draft:
    return msgspec.structs.replace(draft, control=msgspec.structs.replace(control, expires_at_us=None))


class Return(NamedTuple):
    """How a conversation comes back: what its session hears before and after whatever else is said, and the run."""

    before: moves.Drafts
    after: moves.Drafts
    run: moves.Drafts


def returned(
    act: Act,
    wait: Wait,
    outcome: Literal["answered", "declined", "expired"],
    *,
    by: str = "",
    told: str = "",
    body: moves.Contents = (),
    offset: int = 0,
) -> Return:
    """The end of the hand-over that a run asked for, and what the customer is told of it, as policy lets it. `offset`
    messages are queued before that."""
    session = act.session
    assert session is not None, "only a conversation is handed over"
    closed = (e.Draft(e.WaitClosed(act.state.id, wait.id, outcome, by)),) if is_of(session, act, wait) else ()
    run = moves.close_wait(act.state, wait.id, outcome, by=by, body=body)
    if not told:
        return Return(closed, (), run)
    text = Content("text", act.subject, told.encode())
    token, root = f"returned/{act.state.id}/{wait.id}", root_run(act.state.id)
    notice = talk.queue(session.mailbox, "notice", text, run=root, token=token, label=act.state.label, offset=offset)
    sends = ruled(act, (notice,))
    return Return(closed, sends.session, (*run, *sends.refused))


def is_of(session: SessionAct, act: Act, wait: Wait) -> bool:
    """Whether the session knows of this hand-over; not of one that was asked for before sessions were told."""
    handover = session.mailbox.handover
    return handover is not None and (handover.run, handover.wait) == (act.state.id, wait.id)


def check_asks_once(act: Act, plan: Plan) -> None:
    """Raises Invalid (`handover_again`) for a plan that asks for a person although it was just told that somebody is
    asked already: it would be told so for ever."""
    session = act.session
    was_told = any(answer.kind == "handover" and answer.outcome == "declined" for answer in act.state.answers)
    is_asked = session is not None and session.mailbox.handover is not None
    if was_told and is_asked and any(request.kind == "handover" for request in plan.waits):
        raise Invalid("A plan asks for a person again who is asked already.", code="handover_again")
