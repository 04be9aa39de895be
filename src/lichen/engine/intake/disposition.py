"""What a message does when it comes: it answers what was asked, joins or interrupts a turn, waits for one, or is
refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.deciders.mailbox import Handover, MailboxState, Question, disposition
from lichen.core.ports.plan import SpeakerRole
from lichen.core.words.content import Content
from lichen.core.words.ids import MessageId, RunId, StreamId, WaitId, run_stream
from lichen.engine.act import Act, SessionAct
from lichen.engine.acts.turn import acting
from lichen.engine.answers.leaving import leaves
from lichen.engine.answers.messages import message
from lichen.engine.answers.replies import Reply, take
from lichen.engine.drafts.handed import returned
from lichen.engine.intake.request import Request
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.labels import said_by
from lichen.engine.journal.tree import cancel_tree
from lichen.engine.sends.sends import announced
from lichen.engine.sends.starts import opener


class Words(NamedTuple):
    """A message that is taken: its number and token, what it says, and whose words they are."""

    message: MessageId
    token: str
    text: str
    contents: tuple[Content, ...]
    role: SpeakerRole
    by: str

    @property
    def has_address(self) -> bool:
        """Whether replies are pushed to where it came from, from now on."""
        return any(content.part == "address" for content in self.contents)


class Disposition(NamedTuple):
    """What becomes of a message, the run or wait that takes it, and what is appended beside it: in its session
    `before` and `after` it, and `elsewhere`."""

    disposition: Literal["queued", "joined", "answered", "rejected", "handed"]
    run: RunId | None = None
    wait: WaitId | None = None
    before: moves.Drafts = ()
    after: moves.Drafts = ()
    elsewhere: Mapping[StreamId, moves.Drafts] = {}


def disposed(request: Request, mailbox: MailboxState, words: Words) -> Disposition:
    """What a message does that comes now. Only whose the session is answers what it was asked, and is answered by the
    person who has the conversation."""
    journal, run = request.journal, mailbox.turn.run if mailbox.turn is not None else None
    is_theirs = words.role == "customer" or words.by == mailbox.subject
    match disposition(mailbox if is_theirs else msgspec.structs.replace(mailbox, questions=(), handover=None)):
        case "handed" if mailbox.handover is not None:
            return _handed(request, mailbox.handover, words)
        case "answered":
            return _answers(request, mailbox, words)
        case "joined" if run is not None and not journal.run(run).is_ending:
            return _joins(mailbox, run, words)
        case "interrupts" if run is not None:
            cancelled = cancel_tree(journal, journal.run(run), "interrupted", f"interrupt-{words.token}")
            return Disposition("queued", elsewhere=cancelled)
        case "rejected":
            return _refused(request, mailbox, words)
        case "queued" | "joined" | "interrupts" | "handed":
            return Disposition("queued")


def _answers(request: Request, mailbox: MailboxState, words: Words) -> Disposition:
    question = mailbox.questions[-1]
    data = next((content.data for content in words.contents if content.part == "data"), b"")
    act = Act.on(request.services, request.journal, question.run)
    reply = take(act, mailbox, question.wait, Reply(words.text, data, words.by, words.token))
    return Disposition("answered", question.run, question.wait, reply.before, reply.after, reply.run)


def _handed(request: Request, handover: Handover, words: Words) -> Disposition:
    """It is for the person who has the conversation, unless it says that they are not wanted any more."""
    act = Act.on(request.services, request.journal, handover.run)
    if not leaves(words.text, act.texts.without_person):
        return Disposition("handed", handover.run, handover.wait)
    back = returned(act, act.state.waits[handover.wait], "declined", by=words.by, told=act.texts.returned)
    return Disposition("answered", handover.run, handover.wait, back.before, back.after, {act.stream: back.run})


def _joins(mailbox: MailboxState, run: RunId, words: Words) -> Disposition:
    said = message(words.role, {content.part: content.data for content in words.contents}, words.by)
    content = Content("input", mailbox.subject, msgspec.json.encode([said]))
    label = said_by(words.role, words.by, subject=mailbox.subject)
    signal = e.Draft(e.Signal("input", words.token, by=words.by), (content,), label)
    return Disposition("joined", run, elsewhere={run_stream(run): (signal,)})


def _refused(request: Request, mailbox: MailboxState, words: Words) -> Disposition:
    """It is not taken up, and the customer is told."""
    act = SessionAct(request.services, request.journal, mailbox)
    notice = Content("text", mailbox.subject, act.texts.rejected.encode())
    told = talk.queue(mailbox, "notice", notice, token=f"rejected/{words.token}")
    return Disposition("rejected", after=announced(act, acting(mailbox.agent, opener(act)), (told,)))


def without_stale_questions(journal: Journal, mailbox: MailboxState) -> tuple[MailboxState, moves.Drafts]:
    """The mailbox without questions and a hand-over whose wait is gone, and the records that withdraw them."""
    asked = (*mailbox.questions, *(() if mailbox.handover is None else (mailbox.handover,)))
    stale = [question for question in asked if not _is_open(journal, question)]
    if not stale:
        return mailbox, ()
    kept = tuple(question for question in mailbox.questions if question not in stale)
    drafts = tuple(e.Draft(e.WaitClosed(question.run, question.wait, "cancelled")) for question in stale)
    handover = None if mailbox.handover in stale else mailbox.handover
    return msgspec.structs.replace(mailbox, questions=kept, handover=handover), drafts


def _is_open(journal: Journal, question: Question | Handover) -> bool:
    return question.wait in journal.run(question.run).waits
