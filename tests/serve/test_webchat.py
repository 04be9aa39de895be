"""WebChat over HTTP: tokens, conversations, what is taken once and what is told until it is confirmed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import jwt
import msgspec
import pytest
from starlette.applications import Starlette

from lichen import Agent
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import Scope
from lichen.runtime import Runtime
from lichen.settings import Tenant, WebChat
from lichen.settings.routes import Route
from tests.declared import declaring
from tests.serve.widget import LINE, PREFIX, Client, Clock, Echo, app_of, code, project_in, runtime_of, texts

ACME = Scope("acme", "dev")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def runtime(tmp_path: Path, clock: Clock) -> AsyncGenerator[Runtime]:
    async with runtime_of(project_in(tmp_path, tokens_per_minute=20), clock) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime)


@pytest.fixture
async def ann(app: Starlette) -> Client:
    return await Client(app).open()


def session_of(runtime: Runtime) -> SessionId:
    rows = runtime.log(ACME).stream_rows("session", limit=10)
    assert len(rows) == 1
    return SessionId(rows[0].id)


# -- the protocol ------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-61.1")
async def test_a_token_opens_a_conversation_that_is_posted_to_and_polled(app: Starlette) -> None:
    client = Client(app)
    token = (await client.generate()).json()
    assert set(token) == {"conversationId", "token", "expires_in"}
    assert token["expires_in"] == 1_800
    opened = await client.send("POST", "conversations")
    assert opened.status_code == 201
    assert set(opened.json()) == {"conversationId", "token", "expires_in", "streamUrl"}
    assert opened.json()["conversationId"] == client.conversation
    url = f"ws://chat.test{LINE}/conversations/{client.conversation}/stream?t={opened.json()['token']}"
    assert opened.json()["streamUrl"] == url
    id = await client.say("Hello", channelData={"clientActivityID": "c1"})
    assert re.fullmatch(re.escape(client.conversation) + r"\|\d{7}", id)
    mine, reply = await client.heard(2)
    assert (mine["id"], mine["text"], mine["channelData"]) == (id, "Hello", {"clientActivityID": "c1"})
    assert (mine["from"], reply["from"]) == (
        {"id": "ann", "role": "user"},
        {"id": "Acme", "name": "Acme", "role": "bot"},
    )
    assert (reply["text"], reply["textFormat"], reply["replyToId"]) == ("echo: Hello", "plain", id)
    assert reply["inputHint"] == "acceptingInput"
    assert reply["conversation"] == {"id": client.conversation}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", reply["timestamp"])


@pytest.mark.req("GRE-61.1")
@pytest.mark.parametrize("line", [PREFIX, LINE, LINE.replace("messaging", "web"), PREFIX.replace("messaging", "web")])
async def test_every_path_of_upstream_answers(app: Starlette, line: str) -> None:
    client = await Client(app, line=line).open()
    await client.say("Hello")
    assert texts(await client.heard(2)) == ["Hello", "echo: Hello"]
    found = await client.send("POST", f"{line.removesuffix('/v3/directline')}/token", authorization="")
    assert found.status_code == 401, "an empty key is no key"
    bare = await Client(app).send("POST", f"{line.removesuffix('/v3/directline')}/token", {"userId": "bob"})
    assert bare.status_code == 200


async def test_opening_again_with_the_same_token_is_the_same_conversation(ann: Client) -> None:
    for status in (201, 200):
        again = await ann.send("POST", "conversations")
        assert (again.status_code, again.json()["conversationId"]) == (status, ann.conversation)
        await ann.say("hello")


async def test_a_lost_connection_is_resumed_after_a_watermark(ann: Client) -> None:
    found = (await ann.send("GET", f"{ann.path}?watermark=3")).json()
    assert found["conversationId"] == ann.conversation
    assert found["streamUrl"].endswith("&watermark=3")


async def test_a_conversation_opens_with_its_first_message_at_the_latest(app: Starlette) -> None:
    client = Client(app)
    await client.generate()
    await client.say("Hello")
    assert texts(await client.heard(2)) == ["Hello", "echo: Hello"]


async def test_a_refreshed_token_goes_on_where_the_old_one_ends(ann: Client, clock: Clock) -> None:
    clock.ahead_s = 1_700
    ann.token = (await ann.send("POST", "tokens/refresh")).json()["token"]
    clock.ahead_s = 3_000
    assert (await ann.get())["activities"] == []


# -- taken once --------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-51.1")
@pytest.mark.parametrize("fields", [{"id": "a1"}, {"channelData": {"clientActivityID": "a1"}}])
async def test_an_activity_sent_five_times_runs_once_under_one_id(
    runtime: Runtime, ann: Client, fields: dict[str, object]
) -> None:
    ids = {await ann.say("Hello", **fields) for _ in range(5)}
    await runtime.idle()
    assert len(ids) == 1
    assert texts((await ann.get())["activities"]) == ["Hello", "echo: Hello"]
    other = await ann.post({"type": "message", "text": "Something else", **fields})
    assert code(other) == (409, "key_reused")


@pytest.mark.req("LIC-15.9")
async def test_twenty_concurrent_messages_keep_the_order_in_which_they_came(runtime: Runtime, app: Starlette) -> None:
    client = Client(app)
    await client.generate()  # not opened: the first message does it, and the others wait in line
    await asyncio.gather(*(client.say(f"{i}") for i in range(20)))
    await runtime.idle()
    said = texts(await client.heard(40))
    assert [text for text in said if not text.startswith("echo")] == [str(i) for i in range(20)]
    assert [text for text in said if text.startswith("echo")] == [f"echo: {i}" for i in range(20)]


@pytest.mark.req("LIC-16.6")
async def test_what_was_acknowledged_is_there_after_a_restart_and_the_token_still_good(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    async with runtime_of(project) as runtime:
        client = await Client(app_of(runtime)).open()
        first = await client.say("Hello", id="a1")
        before = await client.heard(2)
    async with runtime_of(project) as runtime:
        again = Client(app_of(runtime))
        again.token, again.conversation = client.token, client.conversation
        assert (await again.send("POST", "conversations")).status_code == 200
        assert await again.say("Hello", id="a1") == first
        assert (await again.get())["activities"] == before


async def test_a_conversation_stays_with_its_agent_when_the_route_leads_elsewhere(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    async with runtime_of(project) as runtime:
        client = await Client(app_of(runtime)).open()
        await client.say("Hello")
        before = await client.heard(2)
    tenants = {"acme": Tenant(webchat=WebChat(title="Acme"), routes=(Route("webchat", agent="shop.other"),))}
    agents = (*project.agents, Agent("shop.other", planner=Echo()))
    changed = msgspec.structs.replace(declaring(project, tenants=tenants), agents=agents)
    async with runtime_of(changed) as runtime:
        app = app_of(runtime)
        again = Client(app)
        again.token, again.conversation = client.token, client.conversation
        assert (await again.get())["activities"] == before
        await (await Client(app).open()).say("Hello")
        await runtime.log(ACME).durable()
        rows = runtime.log(ACME).stream_rows("session", limit=10)
        assert {runtime.engine.journal(ACME).mailbox(SessionId(row.id)).agent for row in rows} == {
            "shop.echo",
            "shop.other",
        }


# -- told until confirmed ----------------------------------------------------------------------------------------


@pytest.mark.req("LIC-16.7")
async def test_a_reply_counts_as_delivered_once_the_client_asks_for_what_comes_after(
    runtime: Runtime, ann: Client
) -> None:
    await ann.say("Hello")
    await runtime.idle()
    outbox = lambda: runtime.engine.journal(ACME).mailbox(session_of(runtime)).outbox  # noqa: E731
    page = await ann.get()
    assert len(outbox()) == 1
    assert (await ann.get())["activities"] == page["activities"], "told again until confirmed"
    assert (await ann.get(page["watermark"]))["activities"] == []
    assert outbox() == {}


@pytest.mark.req("LIC-16.7")
async def test_a_watermark_at_the_reply_does_not_confirm_it(runtime: Runtime, ann: Client) -> None:
    await ann.say("Hello")
    await runtime.idle()
    reply = (await ann.get())["activities"][1]
    n = int(reply["id"].partition("|")[2])
    assert (await ann.get(n))["activities"] == [reply]
    journal = runtime.engine.journal(ACME)
    assert len(journal.mailbox(session_of(runtime)).outbox) == 1
    assert (await ann.get(n + 1))["activities"] == []
    assert journal.mailbox(session_of(runtime)).outbox == {}


async def test_a_long_conversation_is_read_in_pages_without_gaps_or_repeats(
    runtime: Runtime, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.serve.webchat.transcript.ACTIVITIES_MAX", 3)
    for i in range(5):
        await ann.say(str(i))
        await runtime.idle()
    found = await ann.heard(10)
    assert texts(found) == [text for i in range(5) for text in (str(i), f"echo: {i}")]
    assert len({activity["id"] for activity in found}) == 10
    assert len((await ann.get())["activities"]) == 3


async def test_a_page_is_bounded_in_bytes(runtime: Runtime, ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lichen.serve.webchat.transcript.TEXT_BYTES_MAX", 10)
    await ann.say("x" * 100)
    await runtime.idle()
    assert len((await ann.get())["activities"]) == 1
    assert len(await ann.heard(2)) == 2


@pytest.mark.parametrize("given", ["-1", "1.5", "x", "9" * 40, "²"])
async def test_a_watermark_that_is_no_number_is_refused(ann: Client, given: str) -> None:
    assert code(await ann.send("GET", f"{ann.path}/activities?watermark={given}")) == (400, "watermark_invalid")


async def test_a_watermark_from_the_future_stands_for_the_end(runtime: Runtime, ann: Client) -> None:
    page = await ann.get(999_999)
    await ann.say("Hello")
    await runtime.idle()
    assert texts((await ann.get(page["watermark"]))["activities"]) == ["Hello", "echo: Hello"]


# -- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-61.2")
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/activities"), ("POST", "/activities")])
async def test_a_token_is_good_for_its_own_conversation_only(
    app: Starlette, ann: Client, method: str, path: str
) -> None:
    bob = await Client(app).open("bob")
    found = await bob.send(method, f"{ann.path}{path}", {"type": "message", "text": "hi"} if method == "POST" else None)
    assert code(found) == (403, "token_conversation")


@pytest.mark.req("GRE-61.3")
async def test_a_token_of_one_tenant_opens_nothing_at_another(ann: Client) -> None:
    ann.line = ann.line.replace("acme", "globex")
    assert code(await ann.send("POST", "conversations")) == (403, "token_invalid")
    assert code(await ann.send("GET", f"{ann.path}/activities")) == (403, "token_invalid")


@pytest.mark.req("GRE-61.2")
async def test_a_token_that_nobody_signed_is_refused(ann: Client) -> None:
    claims = jwt.decode(ann.token, options={"verify_signature": False})
    head, body, signature = ann.token.split(".")
    forged = [
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "k" * 32, algorithm="HS256"),
        jwt.encode(claims, "k" * 64, algorithm="HS512"),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-2]}AA",
        "x" * 5_000,
        "nonsense",
    ]
    for token in forged:
        assert code(await ann.send("POST", "conversations", authorization=f"Bearer {token}")) == (403, "token_invalid")
    assert code(await ann.send("POST", "conversations", authorization="")) == (401, "token_missing")


@pytest.mark.req("GRE-61.2")
async def test_a_token_past_its_time_is_refused(ann: Client, clock: Clock) -> None:
    clock.ahead_s = 1_801
    assert code(await ann.send("GET", f"{ann.path}/activities")) == (403, "token_expired")
    assert code(await ann.send("POST", "tokens/refresh")) == (403, "token_expired")


@pytest.mark.req("GRE-61.4")
async def test_a_user_id_is_a_claim_unless_a_key_of_the_tenant_vouches_for_it(runtime: Runtime, app: Starlette) -> None:
    keys = runtime.keyring.api_keys
    service = keys.issue("acme", "dev", actor_kind="service", actor_id="site")
    trusted = Client(app)
    assert (await trusted.generate("ann", authorization=f"Bearer {service}")).status_code == 200
    await trusted.say("Hello")
    await (await Client(app).open("ann")).say("Hello")
    await runtime.log(ACME).durable()
    log = runtime.log(ACME)
    subjects = {log.display(row.subject) for row in log.stream_rows("session", limit=10)}
    assert subjects == {"ann", "webchat:ann"}


async def test_a_key_that_may_not_vouch_is_refused(runtime: Runtime, app: Starlette) -> None:
    keys = runtime.keyring.api_keys
    customer = keys.issue("acme", "dev", actor_kind="customer", actor_id="ann")
    foreign = keys.issue("globex", "dev", actor_kind="service", actor_id="site")
    assert code(await Client(app).generate(authorization=f"Bearer {customer}")) == (403, "role_missing")
    assert code(await Client(app).generate(authorization=f"Bearer {foreign}")) == (403, "key_scope")
    assert code(await Client(app).generate(authorization="Bearer lk_nothing")) == (401, "key_invalid")


async def test_the_sender_of_an_activity_is_whom_the_token_says(runtime: Runtime, ann: Client) -> None:
    await ann.post({"type": "message", "text": "hi", "from": {"id": "mallory", "role": "bot"}})
    await runtime.idle()
    assert (await ann.get())["activities"][0]["from"] == {"id": "ann", "role": "user"}


@pytest.mark.parametrize("tenant", ["silent", "nobody", "ACME", "..%2facme"])
async def test_a_tenant_without_web_chat_looks_like_none(app: Starlette, tenant: str) -> None:
    found = await Client(app).send("POST", f"/v1/messaging/webchat/{tenant}/token")
    assert found.status_code == 404


@pytest.mark.parametrize("user", ["x" * 101, "a\x00b", "a\nb"])
async def test_an_unusable_user_id_is_refused(app: Starlette, user: str) -> None:
    assert (await Client(app).generate(user)).status_code == 400


# -- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-61.5")
async def test_one_user_gets_five_tokens_in_a_minute(app: Starlette, clock: Clock) -> None:
    client = Client(app)
    for _ in range(5):
        assert (await client.generate("ann", authorization="")).status_code == 401
        assert (await Client(app).generate("ann")).status_code == 200
    refused = await Client(app).generate("ann")
    assert code(refused) == (429, "tokens_too_many")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await Client(app).generate("bob")).status_code == 200, "others are not affected"
    other = Client(app, line=LINE.replace("acme", "globex"))
    assert (await other.generate("ann")).status_code == 200, "nor is the same name at another tenant"
    clock.ahead_s = 61
    assert (await Client(app).generate("ann")).status_code == 200


@pytest.mark.req("GRE-61.5")
async def test_one_address_gets_as_many_tokens_as_the_settings_say(app: Starlette) -> None:
    for _ in range(20):
        assert (await Client(app).generate("")).status_code == 200
    assert code(await Client(app).generate("")) == (429, "tokens_too_many")
    assert code(await Client(app).generate("", authorization="Bearer guessed")) == (429, "tokens_too_many")
    assert (await Client(app, address="192.0.2.2").generate("")).status_code == 200


@pytest.mark.req("SYM-97.19")
async def test_keys_are_guessed_no_faster_than_tokens_are_given(app: Starlette) -> None:
    for _ in range(20):
        assert (await Client(app).generate("", authorization="Bearer guessed")).status_code == 401
    assert code(await Client(app).generate("", authorization="Bearer guessed")) == (429, "tokens_too_many")


async def test_a_key_is_not_limited(runtime: Runtime, app: Starlette) -> None:
    key = runtime.keyring.api_keys.issue("acme", "dev", actor_kind="operator", actor_id="ops")
    for _ in range(8):
        assert (await Client(app).generate("ann", authorization=f"Bearer {key}")).status_code == 200


# -- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-61.6")
@pytest.mark.parametrize(
    ("activity", "status", "expected"),
    [
        (b"{", 400, "body_invalid"),
        (b"", 400, "body_invalid"),
        (b'{"type": "message", "text": "\xff"}', 400, "body_invalid"),
        (b'{"type": "message", "text": "\\ud800x"}', 400, "body_invalid"),
        (b"[" * 100_000, 400, "body_invalid"),
        (b'{"type": "message", "value": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}", 400, "body_invalid"),
        ({"type": "message", "text": 7}, 400, "body_invalid"),
        ({"type": "message", "text": "a\x00b"}, 400, "text_invalid"),
        ({"type": "message"}, 400, "message_empty"),
        ({"type": "message", "text": " \x01\t"}, 400, "message_empty"),
        ({"type": "message", "text": "é" * 9_000}, 400, "message_too_large"),
        ({"type": "message", "text": "x", "channelData": {"a": "x" * 9_000}}, 400, "channel_data_too_large"),
        ({"type": "message", "text": "x", "id": "i" * 300}, 400, "key_invalid"),
        (
            {"type": "message", "text": "x", "attachments": [{"contentType": "image/png"}]},
            400,
            "attachments_unsupported",
        ),
        ({"type": "invoke", "name": "signin"}, 400, "activity_unsupported"),
        (b'{"type": "message", "text": "' + b"x" * 1_100_000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_an_activity_that_cannot_be_taken_is_refused_and_leaves_nothing(
    ann: Client, activity: object, status: int, expected: str
) -> None:
    assert code(await ann.post(activity)) == (status, expected)
    assert (await ann.get())["activities"] == []


@pytest.mark.parametrize("kind", ["event", "typing", "conversationUpdate", "messageReaction"])
async def test_an_activity_that_says_nothing_is_acknowledged_and_not_run(ann: Client, kind: str) -> None:
    found = await ann.post({"type": kind, "name": "webchat/join", "value": {"a": 1}})
    assert found.status_code == 200
    assert found.json()["id"].startswith(f"{ann.conversation}|")
    assert (await ann.get())["activities"] == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"text": "a\x07b\x1b[31m\tc\r\nd\n"}, "ab[31m\tc\nd\n"),
        ({"text": "<script>alert(1)</script> **bold** {{x}}"}, "<script>alert(1)</script> **bold** {{x}}"),
        ({"value": "Order 1042"}, "Order 1042"),
        ({"value": {"order": 1042}, "channelData": {"postBack": True}}, '{"order":1042}'),
        ({"text": "typed", "value": {"x": 1}, "channelData": {"messageBack": {"displayText": "d"}}}, "typed"),
    ],
)
async def test_what_is_said_is_text_whatever_it_looks_like(
    runtime: Runtime, ann: Client, fields: dict[str, object], text: str
) -> None:
    assert (await ann.post({"type": "message", **fields})).status_code == 200
    await runtime.idle()
    mine, reply = (await ann.get())["activities"]
    assert (mine["text"], mine["textFormat"]) == (text, "plain")
    assert (reply["text"], reply["textFormat"]) == (f"echo: {text}", "plain")


# -- pages -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-61.7")
async def test_a_page_of_any_origin_may_ask_unless_the_tenant_names_some(tmp_path: Path, app: Starlette) -> None:
    headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    found = await Client(app).send("OPTIONS", "tokens/generate", **headers)
    assert (found.status_code, found.headers["access-control-allow-origin"]) == (204, "*")
    assert "x-ms-bot-agent" in found.headers["access-control-allow-headers"]
    project = project_in(tmp_path / "other", origins=("https://shop.example",))
    async with runtime_of(project) as runtime:
        strict = app_of(runtime)
        named = await Client(strict).generate(origin="https://shop.example")
        assert named.headers["access-control-allow-origin"] == "https://shop.example"
        assert named.headers["vary"] == "origin"
        for origin in ("https://evil.example", "http://["):
            assert code(await Client(strict).generate(origin=origin)) == (403, "origin_denied")
        assert (await Client(strict).generate(origin="http://chat.test")).status_code == 200, "its own pages may"
        found = await Client(strict).send("OPTIONS", "conversations", origin="https://evil.example")
        assert "access-control-allow-origin" not in found.headers


# -- trouble -----------------------------------------------------------------------------------------------------


async def test_nothing_is_taken_while_the_runtime_shuts_down(runtime: Runtime, ann: Client) -> None:
    await runtime.drain(grace_s=0)
    found = await ann.post({"type": "message", "text": "Hello"})
    assert code(found) == (503, "draining")
    assert "retry-after" in found.headers
