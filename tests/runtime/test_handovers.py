"""A conversation that is handed over: one person has it, the assistant answers nothing, and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lichen.core.words.errors import Conflict, Denied, Invalid
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.runtime import Runtime, Session
from lichen.runtime.operations.talk.conversation import Told
from lichen.runtime.project.loading import load
from lichen.runtime.project.project import Project
from lichen.runtime.views.session import HandoverView
from tests.declared import declaring

DEMO = Path(__file__).parents[2] / "demo"
ACME = Scope("acme", "dev")
OPS, BO = Actor("operator", "ops", ("operator",)), Actor("operator", "bo", ("operator",))
WISH = "I want to speak to a human"
AGENTS = pytest.mark.parametrize("agent", ["shop.support", "shop.welcome"])


@pytest.fixture(scope="module")
def project() -> Project:
    return load(DEMO / "lichen.toml", environ={})


@pytest.fixture
async def runtime(project: Project, tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with Runtime.of(declaring(project, home=tmp_path)) as runtime:
        yield runtime


async def handed(runtime: Runtime, agent: str = "shop.support", language: str = "en") -> Session:
    """A conversation in which a person was asked for, everything read."""
    session = await runtime.sessions.open(
        ACME, Customer("customer-7"), agent=agent, channel="webchat", language=language, key=f"{agent}-{language}"
    )
    wish = WISH if language == "en" else "Ich möchte mit einem Menschen sprechen"
    await (await session.say(wish, key="wish")).result()
    await told(runtime, session)
    return session


async def told(runtime: Runtime, session: Session) -> list[str]:
    """Everything that is on its way to the customer, fetched and confirmed."""
    await runtime.idle()
    messages = await session.pending()
    for message in messages:
        await session.delivered(message.id)
    return [message.text for message in messages]


def only(runtime: Runtime, actor: Actor = OPS) -> HandoverView:
    (found,) = runtime.handovers.list(ACME, actor)
    return found


async def said(session: Session) -> list[tuple[str, str, str]]:
    """The transcript: who, as what, and which words."""
    detail = await session.detail()
    return [(each.role, each.kind, each.text or "") for each in detail.transcript]


@pytest.mark.req("LIC-30.20")
@AGENTS
async def test_while_a_person_has_the_conversation_they_read_what_is_written_and_the_assistant_answers_nothing(
    runtime: Runtime, agent: str
) -> None:
    session = await handed(runtime, agent)
    runs = len(runtime.runs.list(ACME, OPS))
    for text in ("Where is order 1042?", "Hello?"):
        turn = await session.say(text)
        assert (turn.disposition, (await turn.result()).outcome) == ("handed", "handed")
    assert await told(runtime, session) == []
    assert len(runtime.runs.list(ACME, OPS)) == runs, "nothing was planned"
    found = only(runtime)
    assert (found.said, found.has, found.unread) == (WISH, "", ("m2", "m3"))
    assert (await said(session))[-2:] == [
        ("customer", "handed", "Where is order 1042?"),
        ("customer", "handed", "Hello?"),
    ]
    assert session.summary().standing == "handed"


@pytest.mark.req("LIC-30.21")
@AGENTS
async def test_a_person_takes_it_answers_as_often_as_they_like_and_gives_it_back(runtime: Runtime, agent: str) -> None:
    session = await handed(runtime, agent)
    await runtime.handovers.take(ACME, only(runtime).id, OPS)
    assert await told(runtime, session) == ["A colleague is here now and reads what you write."]
    await session.say("Where is order 1042?")
    for text in ("Ada here. One moment.", "It is on its way, {order_id}."):
        await runtime.handovers.reply(ACME, only(runtime).id, text, OPS)
    found = only(runtime)
    assert (found.has, found.is_own, found.unread) == ("ops", True, ())
    assert await told(runtime, session) == ["Ada here. One moment.", "It is on its way, {order_id}."]
    assert ("operator", "reply", "Ada here. One moment.") in await said(session)
    await runtime.handovers.give_back(ACME, found.id, OPS, text="Bye.")
    assert await told(runtime, session) == ["Bye.", "You are talking to the assistant again."]
    assert runtime.handovers.list(ACME, OPS) == ()
    assert "shipped" in (await (await session.say("Where is order 1042?")).result()).text


@pytest.mark.req("LIC-30.21")
async def test_a_person_closes_it_with_or_without_a_word(runtime: Runtime) -> None:
    session = await handed(runtime)
    await runtime.handovers.give_back(ACME, only(runtime).id, OPS, then="closed", text="Solved.")
    assert await told(runtime, session) == ["Solved."]
    await session.say(WISH)
    await told(runtime, session)
    await runtime.handovers.give_back(ACME, only(runtime).id, OPS, then="closed")
    assert await told(runtime, session) == ["A colleague has looked at this and closed it. Is there anything else?"]


@pytest.mark.req("LIC-30.21")
async def test_what_the_person_had_not_seen_goes_to_the_assistant_when_it_comes_back(runtime: Runtime) -> None:
    session = await handed(runtime)
    found = only(runtime)
    for text in ("Where is order 1042?", "And thank you!"):
        await session.say(text)
    await runtime.handovers.give_back(ACME, found.id, OPS, text="Anything else?", read=found.read)
    texts = await told(runtime, session)
    assert texts[:2] == ["Anything else?", "You are talking to the assistant again."]
    assert len(texts) == 3, "both are one turn"
    assert "shipped" in texts[2]


@pytest.mark.req("LIC-30.22")
async def test_two_people_do_not_answer_at_once_but_one_takes_it_over_from_another(runtime: Runtime) -> None:
    session = await handed(runtime)
    id = only(runtime).id
    await runtime.handovers.reply(ACME, id, "Ada here.", OPS)
    with pytest.raises(Conflict) as taken:
        await runtime.handovers.reply(ACME, id, "Bo here.", BO)
    assert taken.value.code == "handover_taken"
    with pytest.raises(Conflict):
        await runtime.handovers.give_back(ACME, id, BO)
    await runtime.handovers.take(ACME, id, BO)
    await runtime.handovers.reply(ACME, id, "Bo here.", BO)
    assert await told(runtime, session) == ["Ada here.", "Bo here."]
    assert (only(runtime).has, only(runtime).is_own, only(runtime, BO).is_own) == ("bo", False, True)


@pytest.mark.req("LIC-30.22")
async def test_only_those_whom_the_hand_over_names_have_it(runtime: Runtime) -> None:
    await handed(runtime)
    id = only(runtime).id
    for actor in (Actor("service", "shipping", ("shipping",)), Customer("customer-7")):
        with pytest.raises(Denied):
            await runtime.handovers.reply(ACME, id, "I am Ada.", actor)
        with pytest.raises(Denied):
            await runtime.handovers.take(ACME, id, actor)
    assert only(runtime).has == ""


@pytest.mark.req("LIC-30.22")
async def test_a_reply_that_is_sent_twice_is_said_once(runtime: Runtime) -> None:
    session = await handed(runtime)
    id = only(runtime).id
    for _ in range(2):
        await runtime.handovers.reply(ACME, id, "Ada here.", OPS, key="k1")
    with pytest.raises(Conflict) as reused:
        await runtime.handovers.reply(ACME, id, "Something else.", OPS, key="k1")
    assert reused.value.code == "key_reused"
    for _ in range(2):
        await runtime.handovers.give_back(ACME, id, OPS, text="Bye.", key="k2")
    assert await told(runtime, session) == ["Ada here.", "Bye.", "You are talking to the assistant again."]
    with pytest.raises(Conflict):
        await runtime.handovers.reply(ACME, id, "Still there?", OPS)
    with pytest.raises(Invalid):
        await runtime.handovers.reply(ACME, id, " ", OPS)


@pytest.mark.req("LIC-30.23")
@pytest.mark.parametrize(
    ("language", "words", "answer"),
    [
        ("en", "Go on without a person", "You are talking to the assistant again."),
        ("en", "Back to the bot, please… ", None),
        ("en", "back to the bot!", "You are talking to the assistant again."),
        ("de", "Ohne Mitarbeiter weiter", "Sie sprechen jetzt wieder mit dem Assistenten."),
        ("de", "Ich brauche keinen Menschen mehr.", "Sie sprechen jetzt wieder mit dem Assistenten."),
    ],
)
async def test_the_customer_goes_on_without_the_person_when_they_say_so(
    runtime: Runtime, language: str, words: str, answer: str | None
) -> None:
    session = await handed(runtime, language=language)
    await session.say(words)
    assert await told(runtime, session) == ([] if answer is None else [answer])
    assert len(runtime.handovers.list(ACME, OPS)) == (1 if answer is None else 0)


@pytest.mark.req("LIC-30.23")
async def test_what_says_that_a_person_is_asked_offers_the_way_back(runtime: Runtime) -> None:
    session = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.support", channel="webchat")
    await (await session.say(WISH)).result()
    page = await session.conversation.page(0, messages_max=10, bytes_max=10_000)
    assert [line.suggestions for line in page.lines if isinstance(line, Told)] == [b'["Go on without a person"]']


@pytest.mark.req("LIC-30.24")
@AGENTS
async def test_a_hand_over_outlives_the_process_with_all_that_was_said_in_it(
    project: Project, tmp_path: Path, agent: str
) -> None:
    async with Runtime.of(declaring(project, home=tmp_path)) as runtime:
        session = await handed(runtime, agent)
        await runtime.handovers.reply(ACME, only(runtime).id, "Ada here.", OPS, key="k1")
        await session.say("Where is order 1042?")
    async with Runtime.of(declaring(project, home=tmp_path)) as runtime:
        session = runtime.sessions.get(ACME, session.id, Customer("customer-7"))
        assert (only(runtime).has, only(runtime).unread) == ("ops", ("m2",))
        await runtime.handovers.reply(ACME, only(runtime).id, "Ada here.", OPS, key="k1")
        assert (await session.say("Hello?")).disposition == "handed"
        assert await told(runtime, session) == ["Ada here."]
        await runtime.handovers.give_back(ACME, only(runtime).id, OPS)
        assert await told(runtime, session) == ["You are talking to the assistant again."]


@pytest.mark.req("LIC-30.22")
async def test_a_closed_conversation_is_nobodys(runtime: Runtime) -> None:
    session = await handed(runtime)
    await session.say("Hello?")
    id = only(runtime).id
    await session.close()
    await runtime.idle()
    assert runtime.handovers.list(ACME, OPS) == ()
    with pytest.raises(Conflict):
        await runtime.handovers.reply(ACME, id, "Ada here.", OPS)
