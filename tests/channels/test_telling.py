"""What nobody asked for: an operator, a program or an agent writes to a conversation, or begins one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Runtime, Scope
from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.port import Reached, Wanted
from lichen.core.words.errors import Conflict, ContentErased, Denied, Invalid, LichenError, NotFound
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Service
from lichen.engine.ports import Delivery, Outbound, Traits
from tests.channels.test_letters import ACME, OPS, PROJECT, channel_of, idle, opened, post, said

AGENT = Actor("agent", "shop.echo", auth="system", on_behalf_of=Customer("dummy:cem"))


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "s3")


async def only_session(runtime: Runtime) -> SessionId:
    (session,) = await runtime.sessions.list(ACME, SYSTEM)
    return session.id


def shown(runtime: Runtime) -> list[tuple[str, str]]:
    """Where everything went that was sent, and what."""
    return [(each["to"], each["text"]) for each in channel_of(runtime).sent]


@pytest.mark.req("LIC-16.80")
@pytest.mark.parametrize("actor", [OPS, Service("till"), AGENT], ids=lambda each: each.kind)
async def test_who_may_writes_to_an_open_conversation_once_under_a_key(tmp_path: Path, actor: Actor) -> None:
    async with opened(tmp_path) as (runtime, client):
        assert await post(client, said("Hello?")) == 200
        await idle(runtime)
        session = await only_session(runtime)
        first = await runtime.telling.tell(ACME, session, "Your parcel is there.", actor, key="parcel-1")
        again = await runtime.telling.tell(ACME, session, "Your parcel is there.", actor, key="parcel-1")
        assert (first.is_repeated, again.is_repeated, first.message) == (False, True, again.message)
        with pytest.raises(Conflict, match="key_reused"):
            await runtime.telling.tell(ACME, session, "It is not.", actor, key="parcel-1")
        await idle(runtime)
    async with opened(tmp_path) as (runtime, client):  # another process knows the key as well
        assert (await runtime.telling.tell(ACME, session, "Your parcel is there.", actor, key="parcel-1")).is_repeated
        await idle(runtime)
        assert shown(runtime) == []
        detail = await runtime.sessions.get(ACME, session, OPS).detail()
        told = detail.transcript[-1]
        assert (told.text, told.state, told.run) == ("Your parcel is there.", "delivered", None)
        is_person = actor.kind == "operator"
        assert (told.role, told.kind) == (("operator", "reply") if is_person else ("agent", "say"))
        assert await post(client, said("Thanks!", "m2")) == 200
        await idle(runtime)
        assert len(await runtime.sessions.list(ACME, SYSTEM)) == 1


@pytest.mark.req("LIC-16.81")
async def test_who_may_not_write_to_others_conversations_does_not(tmp_path: Path) -> None:
    async with opened(tmp_path, f"{PROJECT}[tenants.globex]\n") as (runtime, client):
        assert await post(client, said("Hello?")) == 200
        await idle(runtime)
        session = await only_session(runtime)
        for actor in (Customer("dummy:bea"), Customer("dummy:eve"), SYSTEM):
            with pytest.raises(Denied, match="role_missing"):
                await runtime.telling.tell(ACME, session, "Hi.", actor)
            with pytest.raises(Denied, match="role_missing"):
                await runtime.telling.begin(ACME, "dummy:bea", "Hi.", actor)
        theirs = Scope("globex", "dev")
        with pytest.raises(NotFound, match="session_unknown"):
            await runtime.telling.tell(theirs, session, "Hi.", Operator("theirs"))
        with pytest.raises(NotFound, match="channel_unknown"):
            await runtime.telling.begin(theirs, "dummy:bea", "Hi.", Operator("theirs"))
        assert len(shown(runtime)) == 1


FORBID = """
@id("no-night-mail") forbid(principal, action == Action::"message.send", resource)
when { context.label.tainted };
"""


@pytest.mark.req("LIC-16.82")
async def test_what_an_agent_read_decides_whether_it_may_be_said_and_a_refusal_stands_in_the_log(
    tmp_path: Path,
) -> None:
    from lichen.core.words.label import Label

    (tmp_path / "policies" / "acme").mkdir(parents=True)
    (tmp_path / "policies" / "acme" / "own.cedar").write_text(f"permit(principal, action, resource);\n{FORBID}")
    project = PROJECT.replace("[tenants.acme]\n", '[tenants.acme]\npolicies = "policies/acme"\n', 1)
    async with opened(tmp_path, project) as (runtime, client):
        assert await post(client, said("Hello?")) == 200
        await idle(runtime)
        session, tainted = await only_session(runtime), Label(("third_party:web.fetch",))
        with pytest.raises(Denied, match="message_refused"):
            await runtime.telling.tell(ACME, session, "Buy now!", AGENT, label=tainted)
        await runtime.telling.tell(ACME, session, "It is ready.", AGENT)
        await idle(runtime)
        assert [text for _, text in shown(runtime)][1:] == ["It is ready."]
        assert [each.type for each in await runtime.records.page(ACME, OPS)].count("refused") == 1


@pytest.mark.req("LIC-16.83")
async def test_a_conversation_is_begun_with_somebody_whom_the_channel_reaches_and_their_answer_comes_in_it(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (runtime, client):
        first = await runtime.telling.begin(ACME, "dummy:bea", "Shall we?", OPS, key="k1")
        again = await runtime.telling.begin(ACME, "dummy:bea", "Shall we?", OPS, key="k1")
        assert (first.session, first.message, again.is_repeated) == (again.session, again.message, True)
        await idle(runtime)
        answer = {"id": "m1", "sender": "bea", "text": "We shall.", "conversation": "bea"}
        assert await post(client, answer) == 200
        await idle(runtime)
        detail = await runtime.sessions.get(ACME, await only_session(runtime), OPS).detail()
        assert [(each.role, each.text) for each in detail.transcript[:2]] == [
            ("operator", "Shall we?"),
            ("customer", "We shall."),
        ]
        assert shown(runtime)[0] == ("bea", "Shall we?")
        opened_by = next(each for each in await runtime.records.page(ACME, OPS) if each.type == "mailbox_opened")
        journal = runtime.engine.journal(ACME)
        assert opened_by.actor == journal.log.pseudonym(OPS)  # nobody is said to have asked for it
        assert journal.mailbox(first.session).subject == journal.log.pseudonym(Customer("dummy:bea"))


@pytest.mark.req("LIC-16.83")
async def test_after_a_close_the_next_conversation_is_begun_and_a_key_that_was_used_before_it_begins_nothing(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (runtime, _):
        first = await runtime.telling.begin(ACME, "dummy:bea", "Shall we?", OPS, key="k1")
        await runtime.sessions.get(ACME, first.session, OPS).close()
        with pytest.raises(Conflict, match="session_closed"):
            await runtime.telling.tell(ACME, first.session, "Hello?", OPS)
        assert (await runtime.telling.begin(ACME, "dummy:bea", "Shall we?", OPS, key="k1")).session == first.session
        second = await runtime.telling.begin(ACME, "dummy:bea", "And now?", OPS, key="k2")
        assert second.session != first.session
        await idle(runtime)
        assert [text for _, text in shown(runtime)] == ["Shall we?", "And now?"]


@pytest.mark.req("LIC-16.84")
@pytest.mark.parametrize(
    ("customer", "code"),
    [("bea", "customer_invalid"), ("dummy:", "customer_invalid"), ("pager:bea", "channel_unknown"),
     ("hooks:bea", "channel_answers_only")],
)  # fmt: skip
async def test_who_cannot_be_reached_is_refused_with_why(
    tmp_path: Path, customer: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "s3")
    more = '[tenants.acme.hooks]\nkind = "webhook"\nscheme = "hmac"\nsecrets = ["env:HOOK"]\ntext = "/text"\n'
    async with opened(tmp_path, PROJECT + more) as (runtime, _):
        with pytest.raises(LichenError) as refused:
            await runtime.telling.begin(ACME, customer, "Hi.", OPS)
        assert refused.value.code == code
        assert await runtime.sessions.list(ACME, SYSTEM) == ()


@pytest.mark.req("LIC-16.84")
async def test_what_a_package_does_wrong_is_told_in_our_own_words_and_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(channel: DummyChannel, scope: Scope, wanted: Wanted) -> Reached:
        raise RuntimeError("secret words")

    async def nowhere(channel: DummyChannel, scope: Scope, wanted: Wanted) -> Reached:
        return Reached("", b"")

    async with opened(tmp_path) as (runtime, _):
        for wrong in (broken, nowhere):
            monkeypatch.setattr(DummyChannel, "address_of", wrong)
            with pytest.raises(LichenError, match="channel_failed") as refused:
                await runtime.telling.begin(ACME, "dummy:bea", "Hi.", OPS)
            assert "secret words" not in str(refused.value)
        assert await runtime.sessions.list(ACME, SYSTEM) == ()


@pytest.mark.req("LIC-16.85")
async def test_of_somebody_who_was_erased_nothing_is_begun_or_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        assert await post(client, said("Hello?")) == 200
        await idle(runtime)
        session = await only_session(runtime)
        await runtime.people.erase(ACME, Customer("dummy:bea"), OPS)
        with pytest.raises((ContentErased, Conflict)):
            await runtime.telling.tell(ACME, session, "Hi.", OPS)
        with pytest.raises(ContentErased):
            await runtime.telling.begin(ACME, "dummy:bea", "Hi.", OPS)
        assert len(shown(runtime)) == 1


@pytest.mark.req("LIC-16.86")
async def test_what_was_told_and_is_in_doubt_or_refused_is_a_letter_as_an_answer_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = iter([Delivery("unknown", "cut_off"), Delivery("failed", "blocked")])

    async def send(channel: DummyChannel, scope: Scope, message: Outbound) -> Delivery:
        return next(outcomes)

    monkeypatch.setattr(DummyChannel, "send", send)
    monkeypatch.setattr(DummyChannel, "traits", property(lambda channel: Traits("doubles", "hold")))
    async with opened(tmp_path) as (runtime, _):
        for n in range(2):
            await runtime.telling.begin(ACME, "dummy:bea", f"Message {n}", OPS, key=f"k{n}")
            await idle(runtime)
        letters = await runtime.letters.list(ACME, OPS)
        assert [(each.state, each.code, each.text) for each in letters] == [
            ("in_doubt", "cut_off", "Message 0"),
            ("failed", "blocked", "Message 1"),
        ]


@pytest.mark.req("LIC-16.80")
async def test_what_says_nothing_or_too_much_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, _):
        for words, code in ((" ", "message_empty"), ("x" * 20_000, "message_too_large")):
            with pytest.raises(Invalid, match=code):
                await runtime.telling.begin(ACME, "dummy:bea", words, OPS)


SHOP = """
import json
from lichen import Agent, tell
from lichen.core.ports.plan import CallRequest, Plan


class Clerk:
    \"\"\"Writes to Bea what Ann says, and tells Ann what came of it.\"\"\"

    pure, digest = True, "clerk"

    async def plan(self, step):
        if not step.results:
            words = step.input[-1].text
            to = {"session": words.split()[1]} if words.startswith("to ") else {"customer": "dummy:bea"}
            args = json.dumps({"text": words, **to}).encode()
            return Plan(calls=(CallRequest("customer.tell", args),))
        return Plan(answer=step.results[-1].code or step.results[-1].outcome)


clerk = Agent("shop.echo", planner=Clerk(), tools=[tell])
"""


@pytest.mark.req("LIC-16.87")
async def test_an_agent_writes_to_another_customer_with_a_tool_as_itself_and_hears_of_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    project = PROJECT.replace('"echo.toml"', '"shop.py:clerk"')
    async with opened(tmp_path, project) as (runtime, client):
        ann = {"id": "m1", "sender": "ann", "text": "Your parcel is there.", "conversation": "c9"}
        assert await post(client, ann) == 200
        await idle(runtime)
        assert sorted(shown(runtime)) == [("bea", "Your parcel is there."), ("c9", "ok")]
        bea = next(each for each in await runtime.sessions.list(ACME, SYSTEM) if each.turns == 0)
        (told,) = (await runtime.sessions.get(ACME, bea.id, OPS).detail()).transcript
        assert (told.role, told.kind, told.text) == ("agent", "say", "Your parcel is there.")
        await runtime.sessions.get(ACME, bea.id, OPS).close()
        assert await post(client, {**ann, "id": "m2", "text": f"to {bea.id}"}) == 200
        await idle(runtime)
        assert shown(runtime)[-1] == ("c9", "session_closed")


@pytest.mark.req("LIC-16.80")
async def test_messages_that_nobody_asked_for_are_written_over_the_api_once_under_a_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        client.headers["authorization"] = f"Bearer {await runtime.keys.issue(ACME, Service('till'), OPS)}"
        begin, once = "/api/v1/channels/dummy/tell", {"idempotency-key": "parcel-1"}
        told = [(await client.post(begin, json={"to": "bea", "text": "Hi."}, headers=once)).json() for _ in range(2)]
        assert [each["is_repeated"] for each in told] == [False, True]
        session = told[0]["session"]
        more = await client.post(f"/api/v1/sessions/{session}/tell", json={"text": "And bye."})
        assert (more.status_code, more.json()["message"]) == (200, "o2")
        other = await client.post(begin, json={"to": "bea", "text": "Other."}, headers=once)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")
        assert (await client.post("/api/v1/channels/pager/tell", json={"to": "1", "text": "Hi."})).status_code == 404
        await idle(runtime)
        assert shown(runtime) == [("bea", "Hi."), ("bea", "And bye.")]


@pytest.mark.req("LIC-16.83")
async def test_a_beginning_that_was_cut_off_is_one_message_when_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(*given: object, **more: object) -> None:
        raise RuntimeError("the process ended here")

    async with opened(tmp_path) as (runtime, _):
        with monkeypatch.context() as patched:
            patched.setattr("lichen.runtime.operations.channels.telling.tell", cut)
            with pytest.raises(RuntimeError):
                await runtime.telling.begin(ACME, "dummy:bea", "Shall we?", OPS, key="k1")
        session = await only_session(runtime)  # open, and nothing was said in it
    async with opened(tmp_path) as (runtime, _):
        assert (await runtime.telling.begin(ACME, "dummy:bea", "Shall we?", OPS, key="k1")).session == session
        await runtime.telling.begin(ACME, "dummy:bea", "Shall we?", OPS, key="k1")
        await idle(runtime)
        assert shown(runtime) == [("bea", "Shall we?")]


@pytest.mark.req("GRE-50.6")
async def test_what_is_sent_says_which_message_of_the_platform_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str | None]] = []

    async def send(channel: DummyChannel, scope: Scope, message: Outbound) -> Delivery:
        sent.append((message.saying.text, message.reply_to))
        return Delivery("delivered")

    monkeypatch.setattr(DummyChannel, "send", send)
    async with opened(tmp_path) as (runtime, client):
        for n in (1, 2):
            assert await post(client, said(f"Number {n}", f"m{n}")) == 200
        await idle(runtime)
        await runtime.telling.tell(ACME, await only_session(runtime), "Nobody asked.", OPS)
        await idle(runtime)
        assert sent == [("Number 1", "m1"), ("Number 2", "m2"), ("Nobody asked.", None)]
