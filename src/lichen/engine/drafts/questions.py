"""What a tool needs somebody to say before it goes on: a wait about its call, and the question to the customer."""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.deciders.runstate import GOES_ON
from lichen.core.ports.call import STATE_BYTES_MAX, NeedsAnswer, NotDone
from lichen.core.words.content import Content
from lichen.core.words.hidden import HIDDEN
from lichen.core.words.ids import root_run
from lichen.core.words.label import join
from lichen.engine.act import CallAct
from lichen.engine.answers.expected import Expected
from lichen.engine.answers.steps import asking, steps_of
from lichen.engine.drafts.ended import break_off, do_not
from lichen.engine.journal.labels import label_of, labelled
from lichen.engine.sends.sends import ruled
from lichen.tools.arguments.schema import flaw

QUESTIONS_MAX = 20  # of one call


def wait_for_answer(act: CallAct, asked: NeedsAnswer) -> None:
    """Opens the wait, if the call is not over. A question that nobody could answer ends the call."""
    call = act.look_again()
    if call is None or call.phase not in ("running", "ready"):
        return
    if (wrong := _wrong(act, asked)) is not None:
        if asked.goes_on:
            break_off(act, "failed", wrong.code, wrong)
        else:
            do_not(act, wrong)
        return
    label = label_of(act.services, act.journal.scope, act.state, call)  # the question may be a stranger's words
    act.state = msgspec.structs.replace(act.state, label=join(act.state.label, label))
    wait = _opened(act, asked)
    progressed = e.CallProgressed(call.id, call.attempt, "asked", GOES_ON if asked.goes_on else "")
    sends = ruled(act, _told(act, asked, wait))
    act.say((e.Draft(progressed), wait, *sends.refused), sends.session)


def _wrong(act: CallAct, asked: NeedsAnswer) -> NotDone | None:
    """Why nobody is asked."""
    if act.call.attempt > QUESTIONS_MAX:
        return NotDone("The tool asks for more and more.", code="questions_endless", retryable=False, recovery="replan")
    problem = flaw(asked.schema)
    if problem is not None or asked.schema.get("type") != "object" or len(asked.state) > STATE_BYTES_MAX:
        message = "The tool asks for something that nobody can answer."
        return NotDone(message, code="question_invalid", retryable=False, recovery="replan")
    return None


def _opened(act: CallAct, asked: NeedsAnswer) -> e.Draft:
    state, call = act.state, act.call
    opened = e.WaitOpened(
        run=state.id,
        wait=moves.next_wait(state),
        kind="clarification",
        call=call.id,
        may_answer=("customer",) if state.session is not None else ("customer", "operator", "service"),
        requester=f"agent:{state.agent}",
        requesters=state.requesters,
        digest=act.journal.log.digest(msgspec.json.encode([asked.question, asked.schema])),
        expires_at_us=act.services.clock() + int(asked.expires_s * 1e6),
        on_expiry="resume",
    )
    operator = {"tool": call.tool, "asker": asked.asker}
    parts = [("public", _text(act, asked).encode()), ("schema", msgspec.json.encode(asked.schema))]
    parts += [("operator", msgspec.json.encode(operator)), ("state", asked.state)]
    return e.Draft(opened, moves.as_contents(parts, state.subject))


def _text(act: CallAct, asked: NeedsAnswer) -> str:
    """The question; of somebody else it is said that it is theirs, so that nobody takes it for ours."""
    question = HIDDEN.sub("", asked.question)
    if not asked.asker:
        return question
    return act.texts.asked_by.replace("{asker}", asked.asker).replace("{question}", question)


def _told(act: CallAct, asked: NeedsAnswer, wait: e.Draft) -> moves.Drafts:
    """The question to the customer, and in the session's stream the wait that their next message answers."""
    state = act.state
    if state.session is None:
        return ()
    text = Content("text", state.subject, _text(act, asked).encode())
    token = f"asked/{state.id}/{state.waits_made}"
    mailbox = act.journal.mailbox(state.session)
    draft = talk.queue(mailbox, "question", text, run=root_run(state.id), token=token, label=state.label)
    expected = Expected("clarification", asked.schema)
    draft = asking(draft, steps_of(act.services, act.journal, mailbox, expected), expected, state.subject)
    return (draft, *labelled((wait,), state.label))
