"""The obligation `finish`: a run's end, the customer's answer and the parent's result in one append."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.ports.call import InvalidArguments
from lichen.core.speech import saying
from lichen.core.speech.saying import TEXT_BYTES_MAX, Saying
from lichen.core.speech.wording import public_text
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import StreamId, run_stream
from lichen.engine.act import Act
from lichen.engine.acts.child import tell_parent
from lichen.engine.asks.lost import settle_lost
from lichen.engine.drafts.artifacts import references
from lichen.engine.drafts.valued import said
from lichen.engine.journal.labels import labelled
from lichen.engine.sends.failures import failed
from lichen.engine.sends.sends import ruled

WITHDRAWN: Final = "withdrawn"
"""The code of a run that its customer took back. It says nothing more: the run that was asked to do so speaks."""

SILENCE: Final = Saying("")


def finish(act: Act) -> None:
    """Performs `finish`."""
    settle_lost(act)
    act.append(ending(act))


def ending(act: Act) -> dict[StreamId, moves.Drafts]:
    """What a run's end is for it, its session and its caller."""
    value = _value(act)
    state, session, answer = act.state, act.session, _answer(act, value)
    sends = ruled(act, _told_session(act, answer))
    if sends.refused:
        answer, value = Saying(_answered(sends.session)), b""
    contents = moves.as_contents([*saying.parts(answer, "answer"), ("value", value)], state.subject)
    drafts: dict[StreamId, moves.Drafts] = {
        act.stream: labelled((*sends.refused, *moves.finish(state, contents)), state.label)
    }
    if state.parent is not None:
        drafts[run_stream(state.parent.run)] = tell_parent(
            act, answer.text, value if value and act.answer_type else b""
        )
        if session is not None:
            drafts[session.stream] = talk.end_handover(session.mailbox, state.id)
    elif session is not None:
        drafts[session.stream] = sends.session
    return drafts


def _answered(session: moves.Drafts) -> str:
    """The text of the answer among what the session is told."""
    answers = (draft for draft in session if isinstance(draft.control, e.MessageQueued))
    texts = (content for draft in answers for content in draft.contents if content.part == "text")
    return next((content.data.decode() for content in texts), "")


def _answer(act: Act, value: bytes) -> Saying:
    state = act.state
    if act.journal.is_erased(state.subject):
        return SILENCE
    if state.cancel:
        is_taken_over = state.cancel == "interrupted" and _has_turn(act)
        return SILENCE if is_taken_over or state.cancel == WITHDRAWN else Saying(act.texts.cancelled)
    if state.failure or state.answer is None:
        return Saying(public_text(act.texts, state.failure))
    contents = act.contents(state.answer.n)
    if state.answer.part == "result":
        words = said(act, value)
        return Saying(_told(contents["result"], contents.get("hint", b"").decode()) if words is None else words)
    answer = saying.read(contents, "answer")
    return answer if answer.text.strip() else SILENCE  # everything was said before


def _told(result: bytes, hint: str) -> str:
    """The result of the call that ended the run, as words: those of its tool, a text as it is, else JSON."""
    value = msgspec.json.decode(result)
    text = hint or (value if isinstance(value, str) else result.decode())
    return text.encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore")


def _value(act: Act) -> bytes:
    """The answer as JSON, where it has a type; empty for a run that gives none. The result of the call that ended the
    run is its value; where that is not of the type that the run has to give, or cannot be said, the run fails
    (`answer_invalid`)."""
    state = act.state
    if state.cancel or state.failure or state.answer is None or act.journal.is_erased(state.subject):
        return b""
    contents = act.contents(state.answer.n)
    if state.answer.part != "result":
        return contents.get("value", b"")
    wanted = act.answer_type
    try:
        value = contents["result"] if wanted is None else wanted.decode(contents["result"])
        said(act, value)
        return value
    except (InvalidArguments, Invalid):
        act.state = msgspec.structs.replace(state, failure="answer_invalid")
        return b""


def _has_turn(act: Act) -> bool:
    turn = act.session.mailbox.turn if act.session is not None else None
    return turn is not None and turn.run == act.state.id


def _told_session(act: Act, answer: Saying) -> moves.Drafts:
    """What the session hears of the end of the run that has, or had, its turn."""
    state, session = act.state, act.session
    if session is None or state.parent is not None:
        return ()
    mailbox = session.mailbox
    outcome = "cancelled" if state.cancel else "failed" if state.failure else "answered"
    drafts = talk.end_turn(mailbox, state.id, state.turn, outcome, summary_n=state.summary_n)
    if not answer.text:
        return drafts
    said, token = (*saying.contents(answer, state.subject), *references(act)), f"answer/{state.id}"
    if state.failure and not state.cancel:
        said = (*said, failed(act, answer.text))
    return (talk.queue(mailbox, "answer", *said, run=state.id, token=token, label=state.label), *drafts)
