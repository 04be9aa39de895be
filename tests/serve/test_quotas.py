"""What strangers can make us write: so much and no more, and it costs nobody else anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec
import pytest

from lichen.core.words.errors import Full, TooMany
from lichen.core.words.quotas import Quotas
from lichen.core.words.scope import Actor, Customer, Operator, Scope, Service
from lichen.runtime import Runtime
from lichen.runtime.access.quota import Quota
from lichen.runtime.project.project import Project
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from lichen.serve.http.messages import Messages
from lichen.serve.site import make_site
from lichen.settings import Serve
from tests.declared import declaring
from tests.serve.asgi import Door
from tests.serve.browser import browser, issue
from tests.serve.widget import Client, Clock, app_of, code, project_in, runtime_of, texts

ACME, GLOBEX = Scope("acme", "dev"), Scope("globex", "dev")
OPS: Actor = Operator("ops", ("operator",))
GLOBEX_LINE = "/v1/messaging/webchat/globex/v3/directline"
DAY_BYTES = 300_000
ONE_TURN_BYTES = 60_000  # the most a message of 15 KB makes the log grow by


def small(home: Path, **quotas: int) -> Project:
    project = project_in(home)
    acme = msgspec.structs.replace(project.settings.tenants["acme"], quotas=Quotas(**quotas))
    return declaring(project, tenants={**project.settings.tenants, "acme": acme})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def runtime(tmp_path: Path, clock: Clock) -> AsyncGenerator[Runtime]:
    async with runtime_of(small(tmp_path, bytes_per_day=DAY_BYTES), clock) as runtime:
        yield runtime


async def flood(client: Client) -> tuple[int, str]:
    """Says long things until that is refused."""
    activity = {"type": "message", "from": {"id": "x"}, "text": "a" * 15_000}
    async with asyncio.timeout(60):
        while (found := await client.post(activity)).status_code == 200:
            pass
    assert int(found.headers["retry-after"]) > 0
    return code(found)


def grown(runtime: Runtime) -> int:
    return runtime.log(ACME).grown_bytes(runtime.engine.services.clock())


@pytest.mark.req("SYM-97.24")
@pytest.mark.parametrize("tokens", [1, 600])
async def test_a_stranger_with_one_token_or_600_fills_only_a_tenants_own_bytes_of_the_day(
    runtime: Runtime, tokens: int
) -> None:
    app = app_of(runtime)
    refusals = list[tuple[int, str]]()
    for i in range(tokens):
        stranger = Client(app)
        assert (await stranger.generate("")).status_code == 200
        opened = await stranger.send("POST", "conversations")
        refusals.append(await flood(stranger) if opened.status_code == 201 else code(opened))
        if i > 20 and refusals[-1] == refusals[-2]:
            break  # the other tokens meet the same
    await runtime.idle()
    assert set(refusals) == {(429, "tenant_bytes")}
    assert DAY_BYTES <= grown(runtime) <= DAY_BYTES + ONE_TURN_BYTES
    assert sum(file.stat().st_size for file in runtime.home.rglob("*") if file.is_file()) < 20 * DAY_BYTES
    neighbour = await Client(app, line=GLOBEX_LINE).open()
    await neighbour.say("hello")
    assert texts(await neighbour.heard(2)) == ["hello", "echo: hello"]
    session = await runtime.sessions.open(ACME, OPS, agent="shop.echo")
    assert (await (await session.say("operators are served")).result()).text == "echo: operators are served"


@pytest.mark.req("SYM-97.24")
async def test_a_new_day_and_no_restart_begins_the_bytes_anew(tmp_path: Path, clock: Clock) -> None:
    project = small(tmp_path, bytes_per_day=DAY_BYTES)
    async with runtime_of(project, clock) as runtime:
        assert await flood(await Client(app_of(runtime)).open()) == (429, "tenant_bytes")
        await runtime.idle()
        before = grown(runtime)
    async with runtime_of(project, clock) as runtime:
        assert 0.9 * before < grown(runtime) < 1.1 * before + 10_000
        assert code(await (await client_of(runtime)).send("POST", "conversations")) == (429, "tenant_bytes")
        clock.ahead_s = 86_400
        assert await (await Client(app_of(runtime)).open()).say("a new day")


async def client_of(runtime: Runtime) -> Client:
    client = Client(app_of(runtime))
    await client.generate("")
    return client


@pytest.mark.req("SYM-97.25")
async def test_below_the_disks_reserve_only_operators_are_served(runtime: Runtime) -> None:
    left = [0]
    settings = msgspec.structs.replace(
        runtime.settings or project_in(runtime.home).settings, serve=Serve(disk_reserve_mib=1)
    )
    clock = runtime.engine.services.clock
    quota = Quota(settings, runtime.log, clock, free=lambda home: left[0])
    for actor in (Customer("ann"), Service("shop")):
        with pytest.raises(Full) as refused:
            quota.check(GLOBEX, actor)
        assert refused.value.code == "disk_reserved"
    quota.check(GLOBEX, OPS)
    left[0] = 2 * 1024 * 1024
    Quota(settings, runtime.log, clock, free=lambda home: left[0]).check(GLOBEX, Customer("ann"))
    runtime.engine.services = msgspec.structs.replace(runtime.engine.services, quota=quota.check)
    left[0] = 0
    refused_http = await (await client_of(runtime)).send("POST", "conversations")
    assert code(refused_http) == (507, "disk_reserved")
    assert int(refused_http.headers["retry-after"]) >= 1


class Now:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def refusal(take: Callable[[], None]) -> str:
    try:
        take()
    except TooMany as error:
        return error.code if error.retry_after_s > 0 else "told to come back at once"
    return "taken"


@pytest.mark.req("SYM-97.26")
def test_messages_are_bounded_for_a_conversation_an_address_and_a_tenant(tmp_path: Path) -> None:
    now = Now()
    quotas = {"messages_per_minute": 3, "messages_per_minute_address": 5, "messages_per_minute_tenant": 8}
    messages = Messages(small(tmp_path, **quotas).settings, now)

    def say(conversation: str, client: str, scope: Scope = ACME) -> str:
        return refusal(lambda: messages.take(scope, client, conversation=conversation, size=10))

    assert [say("a", "192.0.2.1") for _ in range(4)] == ["taken"] * 3 + ["messages_too_many"]
    assert [say("b", "192.0.2.1") for _ in range(3)] == ["taken"] * 2 + ["messages_too_many"]
    assert [say(f"c{i}", "192.0.2.2") for i in range(4)] == ["taken"] * 3 + ["messages_too_many"]
    assert say("a", "192.0.2.1", GLOBEX) == "taken"
    assert say("a", "") == "taken", "the owner of the machine is not counted"
    now.s = 60.0
    assert say("a", "192.0.2.1") == "taken"


@pytest.mark.req("SYM-97.26")
def test_an_address_may_not_have_everything_of_its_tenants_day(tmp_path: Path) -> None:
    now = Now()
    messages = Messages(small(tmp_path, bytes_per_day_address=100_000).settings, now)

    def say(client: str) -> str:
        return refusal(lambda: messages.take(ACME, client, conversation=str(now.s), size=15_000))

    assert [say("192.0.2.1") for _ in range(3)] == ["taken"] * 2 + ["address_bytes"]
    assert say("192.0.2.2") == "taken"
    now.s = 86_400.0
    assert say("192.0.2.1") == "taken"


@pytest.mark.req("SYM-97.26")
@pytest.mark.parametrize("way", ["chat", "api"])
async def test_who_talks_too_fast_is_told_when_to_go_on(tmp_path: Path, way: str) -> None:
    async with runtime_of(small(tmp_path, messages_per_minute=2)) as runtime:
        if way == "chat":
            ann = await Client(app_of(runtime)).open()
            found = [await ann.post({"type": "message", "from": {"id": "x"}, "text": "hi"}) for _ in range(3)]
        else:
            key = issue(runtime, kind="customer", actor="ann")
            async with browser(make_site(runtime)) as client:
                client.headers["authorization"] = f"Bearer {key}"
                id = (await client.post("/api/v1/sessions", json={"agent": "shop.echo"})).json()["id"]
                found = [await client.post(f"/api/v1/sessions/{id}/messages", json={"text": "hi"}) for _ in range(3)]
        assert [each.status_code for each in found] == [200, 200, 429]
        assert code(found[2]) == (429, "messages_too_many")
        assert int(found[2].headers["retry-after"]) >= 1


@pytest.mark.req("LIC-5.25")
async def test_a_customer_invents_no_channel(runtime: Runtime) -> None:
    """Its name stands in the clear in the log and outlives an erasure."""
    door = Door(make_app(runtime, identify=by_owner(runtime)))
    key = issue(runtime, kind="customer", actor="ann")
    ann = Door(door.app, {"authorization": f"Bearer {key}"})
    refused = await ann.post("sessions", {"agent": "shop.echo", "channel": "john-doe-4929"})
    assert (refused.status, refused.code) == (400, "channel_unknown")
    for channel in ("api", "cli", "webchat"):
        assert (await ann.post("sessions", {"agent": "shop.echo", "channel": channel})).status == 200
