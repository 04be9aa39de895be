"""The obligations `turn` and `finish`: how runs begin and end, and what the session hears of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from lichen.core import events as e
from lichen.core import moves
from lichen.core.content import Content
from lichen.core.ids import AgentName, MessageId, RunId, SessionId, root_run, run_stream, session_stream
from lichen.core.limits import Limits
from lichen.core.mailbox import Inbound, MailboxState
from lichen.core.plan import Message
from lichen.core.run import DECIDER, RunState
from lichen.core.scope import Actor
from lichen.engine.journal import Journal
from lichen.engine.labels import labelled
from lichen.engine.messages import message
from lichen.engine.ports import Services
from lichen.engine.sends import announced, refusal, ruled
from lichen.engine.starts import opener, ruling_of, starting_turn
from lichen.engine.wording import texts_for

WITHDRAWN: Final = "withdrawn"
"""The code of a run that its customer took back. It says nothing more: the run that was asked to do so speaks."""

# -- beginning ---------------------------------------------------------------------------------------------------


def open_turn(services: Services, journal: Journal, session: SessionId) -> None:
    """Performs `turn`: opens the next turn and starts its run in one append, if policy lets one start."""
    mailbox = journal.mailbox(session)
    taken = mailbox.queued if mailbox.double_texting == "merge" else mailbox.queued[:1]
    person = opener(journal, session)
    check = starting_turn(journal, mailbox, person)
    verdict = services.gate.rule(check)
    opened = e.TurnOpened(moves.next_turn(mailbox), RunId(services.new_id("run")), tuple(m.message for m in taken))
    if verdict.outcome != "allow":
        refused = refusal(services, journal, mailbox, check, verdict)
        told = _refused_turn(services, journal, mailbox, person, opened, verdict.public_reason)
        journal.append({session_stream(session): (e.Draft(opened), refused, *told)}, turn=opened.turn)
        return
    stream = run_stream(opened.run)
    journal.log.begin(stream)
    started = e.RunStarted(
        agent=mailbox.agent,
        subject=mailbox.subject,
        limits=_limits(services, mailbox.agent),
        session=session,
        turn=opened.turn,
        pins=pins(services, journal, mailbox.agent),
        requesters=tuple(sorted({mailbox.subject, *(m.by for m in taken)})),
        ruling=ruling_of(check, verdict),
    )
    first = _first(journal, mailbox, taken, person, started)
    journal.append({session_stream(session): (e.Draft(opened),), stream: (first,)}, turn=opened.turn)


def _first(
    journal: Journal, mailbox: MailboxState, taken: Sequence[Inbound], person: Actor, started: e.RunStarted
) -> e.Draft:
    """The first record of a turn's run: what it was told, and in whose name it acts."""
    stream = session_stream(mailbox.id)
    messages = [message(m.role, journal.log.contents(stream, m.n), m.by) for m in taken]
    attributes = journal.log.contents(stream, 0).get("attributes", b"")
    return start_draft(started, messages, acting(mailbox.agent, person), attributes)


def _refused_turn(
    services: Services, journal: Journal, mailbox: MailboxState, person: Actor, opened: e.TurnOpened, public: str
) -> moves.Drafts:
    """The end of a turn whose run policy did not let start, and what the customer is told instead of an answer."""
    told = public or services.wording(journal.scope).of(mailbox.language).denied
    number, token = MessageId(f"o{mailbox.sent + 1}"), f"answer/{opened.run}"
    queued = e.MessageQueued(number, "answer", opened.turn, None, token)
    answer = e.Draft(queued, (Content("text", mailbox.subject, told.encode()),))
    sent = announced(services, journal, mailbox, acting(mailbox.agent, person), (answer,))
    return (*sent, e.Draft(e.TurnClosed(opened.turn, opened.run, "refused")))


def acting(agent: AgentName, person: Actor) -> Actor:
    """The agent as it acts for somebody."""
    return Actor("agent", agent, auth="system", on_behalf_of=person)


def start_draft(started: e.RunStarted, messages: list[Message], actor: Actor, attributes: bytes = b"") -> e.Draft:
    """A run's first record."""
    parts = [("input", msgspec.json.encode(messages)), ("actor", msgspec.json.encode(actor))]
    parts += [("attributes", attributes)]
    return e.Draft(started, moves.as_contents(parts, started.subject))


def pins(services: Services, journal: Journal, agent: AgentName) -> e.Pins:
    """What the run is pinned to."""
    definition = services.agents.get(agent)
    if definition is None:
        return e.Pins(decider=DECIDER)
    return e.Pins(definition.digest, definition.planner.digest, services.policy_digest(journal.scope), DECIDER)


def _limits(services: Services, agent: AgentName) -> Limits:
    definition = services.agents.get(agent)
    return definition.limits if definition else Limits()


# -- giving the turn back ----------------------------------------------------------------------------------------


def release(
    services: Services, journal: Journal, state: RunState, text: str | None, token: str | None = None
) -> moves.Drafts:
    """What the session hears when a run waits for somebody else: one notice, and its turn is over.

    With a `token` the notice is sent at most once for that token, however often this happens.
    """
    if state.session is None:
        return ()
    mailbox = journal.mailbox(state.session)
    root = root_run(state.id)
    token = f"{token or f'notice/{state.waits_made}'}/{state.id}"
    drafts: moves.Drafts = ()
    if text and journal.log.find(session_stream(state.session), f"message_queued/{token}") is None:
        content = Content("text", state.subject, text.encode())
        drafts = (moves.queue(mailbox, "notice", content, run=root, token=token, label=state.label),)
    return (*drafts, *moves.close_turn(mailbox, root, "released"))


# -- ending ------------------------------------------------------------------------------------------------------


Tell = Callable[[Services, Journal, RunState, str], moves.Drafts]
"""What the parent of a child that ends with this text learns."""


async def finish(services: Services, journal: Journal, run: RunId, *, tell: Tell) -> None:
    """Performs `finish`: the run's end, the customer's answer and the parent's result in one append."""
    state = journal.run(run)
    text = _answer(services, journal, state)
    said = _tell_session(journal, state, text) if state.session is not None and state.parent is None else ()
    sends = ruled(services, journal, state, said)
    if sends.refused:
        text = _answered(sends.session)
    contents = moves.as_contents([("answer", text.encode())], state.subject)
    drafts = {run_stream(run): labelled((*sends.refused, *moves.finish(state, contents)), state.label)}
    if state.parent is not None:
        drafts[run_stream(state.parent.run)] = tell(services, journal, state, text)
    elif state.session is not None:
        drafts[session_stream(state.session)] = sends.session
    journal.append(drafts, actor=f"agent:{state.agent}", turn=state.turn)


def _answered(session: moves.Drafts) -> str:
    """The text of the answer among what the session is told."""
    answers = (draft for draft in session if isinstance(draft.control, e.MessageQueued))
    return next((content.data.decode() for draft in answers for content in draft.contents), "")


def _answer(services: Services, journal: Journal, state: RunState) -> str:
    if journal.is_erased(state.subject):
        return ""
    if state.cancel:
        is_taken_over = state.cancel == "interrupted" and _has_turn(journal, state)
        return "" if is_taken_over or state.cancel == WITHDRAWN else texts_for(services, journal, state).cancelled
    if state.failure or state.answer is None:
        return texts_for(services, journal, state).failed
    text = journal.log.contents(run_stream(state.id), state.answer.n)["answer"].decode()
    return text if text.strip() else ""  # everything was said before


def _has_turn(journal: Journal, state: RunState) -> bool:
    turn = journal.mailbox(state.session).turn if state.session is not None else None
    return turn is not None and turn.run == state.id


def _tell_session(journal: Journal, state: RunState, text: str) -> moves.Drafts:
    assert state.session is not None
    mailbox = journal.mailbox(state.session)
    outcome = "cancelled" if state.cancel else "failed" if state.failure else "answered"
    drafts = moves.end_turn(mailbox, state.id, state.turn, outcome)
    if not text:
        return drafts
    content = Content("text", state.subject, text.encode())
    answer = moves.queue(mailbox, "answer", content, run=state.id, token=f"answer/{state.id}", label=state.label)
    return (answer, *drafts)
