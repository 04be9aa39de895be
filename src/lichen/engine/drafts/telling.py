"""What a session hears while a run of it goes on: messages and questions of a plan, and that its turn is given back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.ports.plan import Plan, WaitRequest
from lichen.core.speech import saying
from lichen.core.speech.saying import Saying
from lichen.core.words.content import Content
from lichen.core.words.ids import root_run
from lichen.engine.act import Act
from lichen.engine.answers.expected import Expected
from lichen.engine.answers.steps import asking, steps_of
from lichen.engine.drafts.handed import Opened

Told = tuple[Literal["say", "question", "notice"], str | Saying]


def release(act: Act, text: str | None, token: str | None = None) -> moves.Drafts:
    """What the session hears when a run waits for somebody else: one notice, and its turn is over.

    With a `token` the notice is sent at most once for that token, however often this happens.
    """
    state, session = act.state, act.session
    if session is None:
        return ()
    root = root_run(state.id)
    token = f"{token or f'notice/{state.waits_made}'}/{state.id}"
    drafts: moves.Drafts = ()
    if text and act.journal.log.find(session.stream, f"message_queued/{token}") is None:
        content = Content("text", state.subject, text.encode())
        drafts = (talk.queue(session.mailbox, "notice", content, run=root, token=token, label=state.label),)
    return (*drafts, *talk.close_turn(session.mailbox, root, "released"))


def told_session(act: Act, plan: Plan, waits: Opened) -> moves.Drafts:
    """The plan's messages and questions, or that the run now waits for somebody else. `waits` are the plan's, opened;
    none where a limit kept it from waiting."""
    if act.session is None:
        return ()
    says: list[Told] = [("say", said) for said in plan.says]
    if not waits.run:
        return _messages(act, says, ())
    asked = [wait for wait in waits.left if "customer" in wait.may_answer]
    messages = _messages(act, [*says, *_asked_and_announced(act, waits.told)], waits.left)
    if not asked and any(wait.kind != "timer" for wait in waits.left):  # a pause keeps its turn
        return (*messages, *release(act, None), *waits.session)
    opened = zip(waits.run, waits.told, strict=False)  # after those that are opened come those that close at once
    return (*messages, *(draft for draft, wait in opened if wait in asked), *waits.session)


def _asked_and_announced(act: Act, waits: Sequence[WaitRequest]) -> list[Told]:
    """What the customer is asked, and told of what others are asked: questions first, then approvals, then the rest."""
    asked = [wait for wait in waits if "customer" in wait.may_answer]
    held = [wait for wait in waits if wait.kind == "approval"]
    called = [wait for wait in waits if wait.kind in ("external", "handover") and wait not in asked]
    told: list[Told] = []
    told.extend(("question", wait.public_text) for wait in asked if wait.public_text)
    told.extend(("notice", wait.public_text or act.texts.checking) for wait in held)
    told.extend(("notice", wait.public_text) for wait in called if wait.public_text)
    return told


def _messages(act: Act, told: Sequence[Told], waits: Sequence[WaitRequest]) -> moves.Drafts:
    state, session = act.state, act.session
    assert session is not None
    messages = [
        talk.queue(
            session.mailbox,
            kind,
            *saying.contents(said, state.subject),
            run=state.id,
            token=f"{kind}/{state.id}/{state.step}/{i}",
            offset=i,
            label=state.label,
        )
        for i, (kind, said) in enumerate(told)
    ]
    return tuple(_offering(act, draft, waits) for draft in messages)


def _offering(act: Act, draft: e.Draft, waits: Sequence[WaitRequest]) -> e.Draft:
    """A message to the session; a question with the few answers it expects, for a channel to show as buttons, and what
    says that a person is asked with the way back to the assistant."""
    if not isinstance(draft.control, e.MessageQueued) or draft.control.kind not in ("question", "notice"):
        return draft
    text = next(content.data for content in draft.contents if content.part == "text")
    wait = next((wait for wait in waits if wait.public_text.encode() == text), None)
    if wait is None:
        return draft
    if wait.kind == "handover":
        offered = (Content("suggestions", act.subject, msgspec.json.encode([act.texts.without_person])),)
    else:
        assert act.session is not None
        expected = Expected(wait.kind, wait.answer_schema)
        return asking(draft, steps_of(act.services, act.journal, act.session.mailbox, expected), expected, act.subject)
    return msgspec.structs.replace(draft, contents=(*draft.contents, *offered)) if offered else draft
