"""What a platform brought, proven, and cannot be taken: kept once, seen, taken after all or put away."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from lichen import Runtime, Scope
from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.platform.signing import hmac_hex
from lichen.channels.port import Arrival, Inbound, Report
from lichen.core.words.errors import Conflict, Denied, LichenError, NotFound, Unavailable
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Service
from lichen.engine.letters import dead
from lichen.engine.ports import Delivery, Outbound, Traits
from lichen.runtime.operations.admin import StuckLetters
from lichen.runtime.project.loading import load
from lichen.serve.hooks.gateway import Mailroom
from lichen.serve.http.messages import Messages
from lichen.serve.site import make_site
from tests.serve.widget import DEADLINE_S

ACME = Scope("acme", "dev")
OPS = Operator("ops")
INGRESS = "/v1/messaging/ingress/dummy/acme"
PROJECT = """
[lichen]
agents = ["echo.toml"]
home = "data"
[tenants.acme]
[tenants.acme.dummy]
secret = "env:DUMMY_SECRET"
"""


@asynccontextmanager
async def opened(folder: Path, project: str = PROJECT) -> AsyncGenerator[tuple[Runtime, httpx.AsyncClient]]:
    (folder / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    (folder / "lichen.toml").write_text(project)
    async with Runtime.of(load(folder / "lichen.toml", environ={})) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield runtime, client


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "s3")


async def post(client: httpx.AsyncClient, body: Any) -> int:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = str(int(time.time()))
    signed = {"dummy-time": sent, "dummy-signature": hmac_hex("s3", sent.encode(), b".", data)}
    return (await client.post(INGRESS, content=data, headers=signed)).status_code


def said(text: str, id: str = "m1") -> dict[str, Any]:
    return {"id": id, "sender": "bea", "text": text, "conversation": "c1"}


def channel_of(runtime: Runtime) -> DummyChannel:
    assert runtime.project is not None
    found = runtime.project.channels.get("dummy", "acme")[1]
    assert isinstance(found, DummyChannel)
    return found


async def idle(runtime: Runtime) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await runtime.idle()


# -- what comes in -----------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-52.1", "LIC-16.40")
async def test_what_cannot_be_read_is_one_letter_however_often_it_comes_and_the_platform_stops(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        for _ in range(5):
            assert await post(client, {"id": "m1", "words": "hello"}) == 200
        (letter,) = await runtime.letters.list(ACME, OPS)
        assert (letter.stage, letter.state, letter.channel, letter.code) == ("ingress", "dead", "dummy", "body_invalid")
        assert letter.text is not None
        assert "hello" in letter.text
        assert await runtime.sessions.list(ACME, SYSTEM) == ()


@pytest.mark.req("LIC-16.50")
async def test_what_cannot_be_read_is_not_followed_at_its_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[bytes] = []

    async def follow(channel: DummyChannel, scope: Scope, arrival: Arrival) -> None:
        followed.append(arrival.body)

    monkeypatch.setattr(DummyChannel, "follow", follow, raising=False)
    async with opened(tmp_path) as (_, client):
        assert await post(client, b"garbage") == 200
        assert await post(client, said("Hello?")) == 200
        await asyncio.sleep(0)
    assert followed == [json.dumps(said("Hello?")).encode()]


@pytest.mark.req("LIC-16.41")
async def test_a_letter_keeps_no_proof_of_the_request(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        await post(client, {"id": "m1"})
        (letter,) = await runtime.letters.list(ACME, OPS)
        shown = await runtime.letters.show(ACME, letter.id, OPS)
        headers = shown.envelope["arrival"]["headers"]
        assert "dummy-time" in headers
        assert "dummy-signature" not in headers


@pytest.mark.req("GRE-52.2")
async def test_a_letter_is_shown_as_the_record_of_a_dead_letter_queue(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        await post(client, said(" "))
        (letter,) = await runtime.letters.list(ACME, OPS)
        shown = await runtime.letters.show(ACME, letter.id, OPS)
        assert (shown.tenant, shown.stage, shown.platform, shown.msg_id) == ("acme", "ingress", "dummy", "m1")
        assert (shown.error.code, shown.error.stage, shown.retries) == ("message_empty", "ingress", 0)
        assert (shown.subject, shown.replay_subject) == ("dlq.acme.ingress", "replay.acme.ingress")
        sealed = await runtime.letters.show(ACME, letter.id, Service("crm"))
        assert sealed.envelope == {}
        assert (await runtime.letters.list(ACME, Service("crm")))[0].text is None


@pytest.mark.req("GRE-52.3", "LIC-16.42")
async def test_a_replay_reads_with_the_code_of_today_and_takes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> tuple[Inbound, ...]:
        raise ZeroDivisionError

    async with opened(tmp_path) as (runtime, client):
        with monkeypatch.context() as patch:
            patch.setattr(DummyChannel, "parse", broken)
            assert await post(client, said("Hello?")) == 200
            (letter,) = await runtime.letters.list(ACME, OPS)
            assert letter.code == "channel_failed"
            with pytest.raises(LichenError, match="still cannot"):
                await runtime.letters.replay(ACME, letter.id, OPS)
        done = await asyncio.gather(
            *(runtime.letters.replay(ACME, letter.id, who) for who in (OPS, Operator("mia"))), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in done) == ["Conflict", "NoneType"]
        assert await post(client, said("Hello?")) == 200  # the platform brings it again
        await idle(runtime)
        assert [each["text"] for each in channel_of(runtime).sent] == ["Hello?"]
        assert await runtime.letters.list(ACME, OPS) == ()
        with pytest.raises(Conflict):
            await runtime.letters.drop(ACME, letter.id, OPS)


@pytest.mark.req("LIC-16.43")
async def test_a_letter_that_is_dropped_or_not_there_is_told_and_only_operators_do_either(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        await post(client, said(""))
        (letter,) = await runtime.letters.list(ACME, OPS)
        for who in (Service("crm"), Customer("dummy:bea")):
            with pytest.raises(Denied):
                await runtime.letters.drop(ACME, letter.id, who)
        await runtime.letters.drop(ACME, letter.id, OPS)
        assert await runtime.letters.list(ACME, OPS) == ()
        for id in ("letter-77", "session-1.o1", "nonsense", "letter-"):
            with pytest.raises(NotFound, match="no such letter"):
                await runtime.letters.replay(ACME, id, OPS)
        assert await post(client, said("")) == 200
        assert await runtime.letters.list(ACME, OPS) == ()  # it is the same one


@pytest.mark.req("LIC-16.44")
async def test_a_person_who_is_erased_takes_their_letters_with_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        assert await post(client, said("")) == 200
        await runtime.people.erase(ACME, "dummy:bea", OPS)
        assert await runtime.letters.list(ACME, OPS) == ()
        assert await post(client, said("", id="m2")) == 200  # of somebody who was erased nothing is kept
        assert await runtime.letters.list(ACME, OPS) == ()


@pytest.mark.req("LIC-16.45")
async def test_what_may_come_again_is_no_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as (runtime, client):
        monkeypatch.setattr(dead, "LETTERS_MAX", 1)
        assert await post(client, said("", id="m1")) == 200
        assert await post(client, said("", id="m2")) == 503
        assert len(await runtime.letters.list(ACME, OPS)) == 1

        def away(*_: Any, **__: Any) -> None:
            raise Unavailable("Not now.")

        monkeypatch.setattr(runtime.sessions, "open", away)
        assert await post(client, said("Hello?", id="m3")) == 503
        assert len(await runtime.letters.list(ACME, OPS)) == 1


@pytest.mark.req("LIC-16.46")
async def test_what_a_source_hands_in_and_cannot_be_taken_is_a_letter_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, _):
        mailroom = Mailroom(runtime, ACME, channel_of(runtime), Messages(runtime.settings))
        big = Inbound("c1", Customer("dummy:bea"), "x" * 300_000, id="m1")
        for _ in range(2):
            await mailroom.take(big)
        (letter,) = await runtime.letters.list(ACME, OPS)
        assert letter.code == "message_too_large"
        with pytest.raises(LichenError, match="beginning"):
            await runtime.letters.replay(ACME, letter.id, OPS)


# -- what goes out -----------------------------------------------------------------------------------------------


class Cut(DummyChannel):
    """A platform that shows what it is sent and hangs up, as long as `cuts`."""

    cuts = True
    refuses = False

    @property
    def traits(self) -> Traits:
        return Traits("doubles", "hold")

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        await super().send(scope, message)
        if self.refuses:
            return Delivery("failed", "channel_archived")
        if self.cuts:
            raise TimeoutError
        return Delivery("delivered")


@asynccontextmanager
async def stuck(folder: Path, **fields: bool) -> AsyncGenerator[tuple[Runtime, Cut, str]]:
    """A runtime whose answer to one message got stuck, and the letter's id."""
    async with opened(folder) as (runtime, client):
        channel = channel_of(runtime)
        channel.__class__ = Cut
        assert isinstance(channel, Cut)
        for name, value in fields.items():
            setattr(channel, name, value)
        await post(client, said("Hello?"))
        await idle(runtime)
        (letter,) = await runtime.letters.list(ACME, OPS)
        yield runtime, channel, letter.id


@pytest.mark.req("LIC-16.47")
@pytest.mark.parametrize(
    ("refuses", "state", "code"), [(False, "in_doubt", "exception_TimeoutError"), (True, "failed", "channel_archived")]
)
async def test_a_message_that_got_stuck_is_a_letter_with_its_state(
    tmp_path: Path, refuses: bool, state: str, code: str
) -> None:
    async with stuck(tmp_path, refuses=refuses) as (runtime, _, id):
        (letter,) = await runtime.letters.list(ACME, OPS)
        assert (letter.stage, letter.state, letter.code, letter.text) == ("egress", state, code, "Hello?")
        shown = await runtime.letters.show(ACME, id, OPS)
        assert (shown.retries, shown.subject, shown.envelope["text"]) == (1, "dlq.acme.egress", "Hello?")
        counted = StuckLetters("acme", "dev", 0, failed=int(refuses), in_doubt=int(not refuses))
        assert runtime.totals().health.letters == (counted,)
        assert runtime.admin.health(ACME, OPS).letters == (counted,)
        assert runtime.admin.health(ACME, Customer("dummy:bea")).letters == ()


@pytest.mark.req("LIC-16.48")
@pytest.mark.parametrize(
    ("decision", "times", "state"), [("replay", 2, "delivered"), ("drop", 1, "dropped"), ("delivered", 1, "delivered")]
)
async def test_of_two_people_who_settle_a_message_one_is_told_that_it_is_done(
    tmp_path: Path, decision: str, times: int, state: str
) -> None:
    async with stuck(tmp_path) as (runtime, channel, id):
        channel.cuts = False
        settle: Callable[[Scope, str, Actor], Awaitable[None]] = getattr(runtime.letters, decision)
        done = await asyncio.gather(settle(ACME, id, OPS), settle(ACME, id, Operator("mia")), return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["Conflict", "NoneType"]
        await idle(runtime)
        assert len(channel.sent) == times
        assert await runtime.letters.list(ACME, OPS) == ()
        (session,) = await runtime.sessions.list(ACME, SYSTEM)
        detail = await runtime.sessions.get(ACME, session.id, OPS).detail()
        assert detail.transcript[-1].state == state


@pytest.mark.req("LIC-16.44")
async def test_a_person_who_is_erased_takes_messages_in_doubt_with_them(tmp_path: Path) -> None:
    async with stuck(tmp_path) as (runtime, _, _):
        await runtime.people.erase(ACME, "dummy:bea", OPS)
        assert await runtime.letters.list(ACME, OPS) == ()
        assert runtime.totals().health.letters == ()


class Tells(Cut):
    """A platform that reports what became of messages: in a request that says `report`, of `reported`."""

    reported: tuple[Report, ...] = ()

    def reports(self, scope: Scope, arrival: Arrival) -> tuple[Report, ...]:
        return self.reported

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        return () if arrival.body == b"report" else super().parse(scope, arrival, sender)


@pytest.mark.req("LIC-16.49")
@pytest.mark.parametrize(
    ("cuts", "outcome", "before", "after"),
    [
        (True, "delivered", "in_doubt", "delivered"),
        (True, "failed", "in_doubt", "failed"),
        (False, "failed", "delivered", "failed"),
        (False, "delivered", "delivered", "delivered"),
    ],
)
async def test_what_a_platform_reports_settles_a_doubt_or_makes_a_letter_and_never_twice(
    tmp_path: Path, cuts: bool, outcome: Literal["delivered", "failed"], before: str, after: str
) -> None:
    async with opened(tmp_path) as (runtime, client):
        channel = channel_of(runtime)
        channel.__class__ = Tells
        assert isinstance(channel, Tells)
        channel.cuts = cuts
        await post(client, said("Hello?"))
        await idle(runtime)
        (session,) = await runtime.sessions.list(ACME, SYSTEM)
        talk = runtime.sessions.get(ACME, session.id, OPS)
        assert (await talk.detail()).transcript[-1].state == before
        told = Report(session.id, "o1", outcome, "131026")
        channel.reported = (told, told, Report(session.id, "o9", outcome), Report("nobody", "o1", outcome))
        assert await post(client, b"report") == 200
        seq = runtime.log(ACME).last_seq
        assert await post(client, b"report") == 200
        assert runtime.log(ACME).last_seq == seq
        assert (await talk.detail()).transcript[-1].state == after
        letters = await runtime.letters.list(ACME, OPS)
        assert [(each.state, each.code) for each in letters] == ([("failed", "131026")] if after == "failed" else [])
        if letters:
            channel.cuts = False
            await runtime.letters.replay(ACME, letters[0].id, OPS)
            await idle(runtime)
            assert [each["text"] for each in channel.sent] == ["Hello?", "Hello?"]
            assert await runtime.letters.list(ACME, OPS) == ()


# -- over HTTP and on the command line ---------------------------------------------------------------------------


@pytest.mark.req("GRE-52.4")
async def test_letters_are_listed_shown_and_settled_over_the_api(tmp_path: Path) -> None:
    async with opened(tmp_path) as (runtime, client):
        await post(client, said(""))
        key = await runtime.keys.issue(ACME, OPS, OPS)
        client.headers["authorization"] = f"Bearer {key}"
        (letter,) = (await client.get("/api/v1/letters")).json()
        assert letter["code"] == "message_empty"
        path = f"/api/v1/letters/{letter['id']}"
        assert (await client.get(path)).json()["subject"] == "dlq.acme.ingress"
        again = await client.post(f"{path}/replay")
        assert (again.status_code, again.json()["error"]["code"]) == (400, "message_empty")
        assert (await client.post(f"{path}/delivered")).status_code == 400
        assert (await client.post(f"{path}/drop")).status_code == 200
        assert (await client.post(f"{path}/drop")).status_code == 409
        assert (await client.get("/api/v1/letters/letter-99")).status_code == 404
        assert "lichen_letters" in (await client.get("/metrics")).text
