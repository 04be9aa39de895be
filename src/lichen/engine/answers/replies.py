"""A customer's message as the answer to the question that is open: understood, or asked for once more."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.deciders.mailbox import REPLIES_MAX, MailboxState
from lichen.core.speech.which import which
from lichen.core.words.content import Content
from lichen.core.words.ids import StreamId, WaitId, root_run
from lichen.core.words.wait import Wait, WaitOutcome
from lichen.engine.act import Act
from lichen.engine.answers.confirming import said
from lichen.engine.answers.expected import Expected, expected_of, form_in, heard, offered_as, suggestions, unclear
from lichen.engine.answers.forms import is_choice
from lichen.engine.answers.messages import answer
from lichen.engine.answers.steps import Said, Steps, is_listed, replies_to, steps_of
from lichen.engine.sends.sends import ruled

AGAIN: Final = "again/"  # begins the token of a question that comes once more


class Reply(NamedTuple):
    """What somebody wrote to the open question: their words, JSON that came with them, by whom, under which token."""

    text: str
    data: bytes
    by: str
    token: str


class Taken(NamedTuple):
    """What a reply appends to its session before the message itself and after it, and to the run that asked."""

    before: moves.Drafts
    after: moves.Drafts
    run: dict[StreamId, moves.Drafts]


def is_again(control: e.Control) -> bool:
    """Whether a record of a session puts the open question once more."""
    return isinstance(control, e.MessageQueued) and control.kind == "question" and control.token.startswith(AGAIN)


def take(act: Act, mailbox: MailboxState, wait_id: WaitId, reply: Reply) -> Taken:
    """The end of the wait of this run, or the question again when the reply does not answer it; the wait stays open
    then. Of a form in steps the next step is asked."""
    wait = act.state.waits[wait_id]
    expected = expected_of(act, wait)
    outcome, body = _understood(act, mailbox, wait, expected, reply)
    asked: e.Draft | None = None
    if outcome is None:
        steps = steps_of(act.services, act.journal, mailbox, expected)
        if steps is None:
            asked = _again(act, mailbox, wait, expected, reply)
        else:
            outcome, body, asked = _stepped(act, mailbox, steps, reply, body)
    if outcome is None and asked is not None:
        again = ruled(act, (asked,))
        return Taken((), again.session, {act.stream: again.refused})
    assert outcome is not None, "a reply answers, or is asked for again"
    content = Content("body", mailbox.subject, msgspec.json.encode(body))
    drafts = moves.close_wait(act.state, wait_id, outcome, by=reply.by, body=(content,))
    return Taken((e.Draft(e.WaitClosed(act.state.id, wait_id, outcome, reply.by)),), (), {act.stream: drafts})


def _understood(
    act: Act, mailbox: MailboxState, wait: Wait, expected: Expected, reply: Reply
) -> tuple[WaitOutcome | None, dict[str, Any]]:
    body = answer(reply.text, reply.data)
    if wait.kind == "confirmation":
        return said(reply.text), body
    if wait.call is not None and said(reply.text) == "declined" and not is_choice(expected.schema):
        return "declined", body
    data = msgspec.json.decode(reply.data) if reply.data else None
    numbered = is_listed(act.services, act.journal, mailbox, expected.schema)
    found = heard(expected, reply.text, data, body, language=act.language, numbered=numbered)
    return (None, body) if found is None else ("answered", found)


def _again(act: Act, mailbox: MailboxState, wait: Wait, expected: Expected, reply: Reply) -> e.Draft:
    """The question again, with what it offers; of one that was asked in silence, that the reply is no answer. Of a
    number that could be two it is asked which was meant."""
    options = unclear(expected, reply.text, act.language)
    asked = which(options, act.language).encode() if options else act.contents(wait.n).get("public", b"")
    offered = suggestions({"examples": options} if options else expected.schema, mailbox.subject)
    offered = (*offered, *form_in(expected.schema, mailbox.subject))
    return _asked(act, mailbox, reply, asked.decode() or act.texts.unclear, offered)


def _stepped(
    act: Act, mailbox: MailboxState, steps: Steps, reply: Reply, body: dict[str, Any]
) -> tuple[WaitOutcome | None, dict[str, Any], e.Draft | None]:
    """What becomes of a form with one reply more: it is whole, or left, or the next of its fields is asked for."""
    data = msgspec.json.decode(reply.data) if reply.data else None
    before = replies_to(act.journal, mailbox, mailbox.questions[-1])
    progress = steps.progress((*before, Said(reply.text, data)))
    if progress.is_cancelled or len(mailbox.questions[-1].replies) >= REPLIES_MAX:
        return "declined", body, None
    if progress.at is None:
        return "answered", {**progress.values, "text": steps.lines(progress.values)}, None
    text = "\n\n".join(filter(None, (progress.repair, steps.prompt(progress.at))))
    offered = offered_as(steps.titles(progress.at), mailbox.subject)
    return None, body, _asked(act, mailbox, reply, text, offered)


def _asked(act: Act, mailbox: MailboxState, reply: Reply, text: str, offered: moves.Contents) -> e.Draft:
    content = Content("text", mailbox.subject, text.encode())
    run, token = root_run(act.state.id), AGAIN + reply.token
    draft = talk.queue(mailbox, "question", content, run=run, token=token, label=act.state.label)
    return msgspec.structs.replace(draft, contents=(*draft.contents, *offered)) if offered else draft
