"""Gateway, runner and egress apart, joined by a NATS server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from lichen.channels.bus.connection import DLQ
from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.platform.signing import hmac_hex
from lichen.channels.port import Arrival, Inbound, Report
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import Actor, Operator, Scope
from lichen.engine.ports import Delivery, Outbound, Traits
from lichen.gate.secrets.sources import Sources
from tests.channels.bus.server import Nats
from tests.serve.apart.shop import (
    ANSWER,
    PROJECT,
    SCOPE,
    SIGNS,
    connected,
    egress,
    gateway,
    laid,
    posted,
    runner,
    signed,
    until,
)


@pytest.fixture
def nats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Nats]:
    for tenant, signs in SIGNS.items():
        monkeypatch.setenv(f"{tenant.upper()}_SIGNS", signs)
    with Nats(tmp_path / "nats") as server:
        yield server


@pytest.mark.req("GRE-50.2")
async def test_a_message_goes_from_the_gateway_over_the_runner_to_the_egress_once(nats: Nats, tmp_path: Path) -> None:
    file = laid(tmp_path / "shop")
    async with gateway(file, nats.url) as door, runner(file, nats.url), egress(file, nats.url) as sent:
        await connected(door)
        for i in range(3):
            for _ in range(2):  # as platforms do that missed an acknowledgement
                assert (await door.post(**posted("Hello?", id=f"m-{i}"))).status_code == 200
        assert (await door.post(**posted("Hi.", id="m-0", tenant="globex"))).status_code == 200
        await until(lambda: len(sent.of("acme")) == 3 and len(sent.of("globex")) == 1)
        assert [each["text"] for each in sent.of("acme")] == [ANSWER] * 3
        assert {each["to"] for each in sent.of("acme")} == {"c-1"}


async def _dead(bus: Any) -> list[tuple[str, dict[str, Any]]]:
    """The dead letters on the bus, each with its subject."""

    async def read(streams: Any) -> list[tuple[str, dict[str, Any]]]:
        count = (await streams.stream_info(DLQ)).state.messages
        found = [await streams.get_msg(DLQ, n) for n in range(1, count + 1)]
        return [(each.subject, json.loads(each.data)) for each in found]

    return await bus.ask(read)


@pytest.mark.req("GRE-52.5")
@pytest.mark.req("GRE-52.6")
async def test_poison_is_a_dead_letter_that_is_taken_again_when_it_is_replayed(nats: Nats, tmp_path: Path) -> None:
    file = laid(tmp_path / "shop")
    async with gateway(file, nats.url) as door, runner(file, nats.url), egress(file, nats.url) as sent:
        await connected(door)
        bus = sent.bus
        await until(lambda: bus.is_connected)
        stranger = {
            "id": "m-9", "tenant": {"env": "dev", "tenant": "acme", "tenant_id": "acme", "attempt": 0},
            "channel": "dummy", "session_id": "c-9", "from": {"id": "webchat:somebody"}, "text": "I am an operator.",
        }  # fmt: skip
        subject = "greentic.messaging.ingress.dev.acme.default.dummy"
        await bus.publish(subject, b"\xff no JSON", id="poison-1")
        await bus.publish(subject, json.dumps(stranger).encode(), id="poison-2")
        assert (await door.post(**posted("Hello?", id="m-1"))).status_code == 200
        await until(lambda: len(sent.of("acme")) == 1)  # what is behind poison is taken
        letters = await _dead(bus)
        assert [each for each, _ in letters] == ["dlq.acme.ingress"] * len(letters)
        codes = {letter["error"]["code"]: letter for _, letter in letters}
        assert "envelope_invalid" in codes
        assert codes["envelope_invalid"]["error"]["stage"] == "ingress"

        letter = {**codes["envelope_invalid"], "envelope": {**stranger, "from": {"id": "dummy:u-9"}}}
        await bus.publish("replay.acme.ingress", json.dumps(letter).encode(), id="again")
        await until(lambda: len(sent.of("acme")) == 2)
        await bus.publish("replay.globex.ingress", json.dumps(letter).encode(), id="other")  # not globex's
        assert (await door.post(**posted("Hi.", id="m-2", tenant="globex"))).status_code == 200
        await until(lambda: len(sent.of("globex")) == 1)
        assert len(sent.of("acme")) == 2


@pytest.mark.req("GRE-50.3")
async def test_while_the_bus_is_away_nothing_is_acknowledged_and_nothing_that_was_is_lost(
    nats: Nats, tmp_path: Path
) -> None:
    file = laid(tmp_path / "shop")
    async with gateway(file, nats.url) as door:
        await connected(door)
        assert (await door.post(**posted("One.", id="m-1"))).status_code == 200  # nobody takes it yet
        nats.kill()
        refused = await door.post(**posted("Two.", id="m-2"))
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["error"]["code"] == "bus_away"
        assert (await door.get("/readyz")).json() == {"ready": False, "reasons": ["bus_away"]}
        async with runner(file, nats.url), egress(file, nats.url) as sent:  # both wait for it
            nats.start()
            await connected(door)
            await until(lambda: len(sent.of("acme")) == 1)
            assert (await door.post(**posted("Two.", id="m-2"))).status_code == 200
            await until(lambda: len(sent.of("acme")) == 2)
            nats.kill()
            nats.start()  # under the feet of all three
            await connected(door)
            assert (await door.post(**posted("Three.", id="m-3"))).status_code == 200
            await until(lambda: len(sent.of("acme")) == 3)


@pytest.mark.req("GRE-53.3")
async def test_what_one_tenant_sends_too_much_is_refused_and_others_are_not(nats: Nats, tmp_path: Path) -> None:
    few = PROJECT.replace(
        "[tenants.acme.dummy]", "[tenants.acme.quotas]\nmessages_per_minute_tenant = 2\n\n[tenants.acme.dummy]"
    )
    file = laid(tmp_path / "shop", few)
    async with gateway(file, nats.url) as door:
        await connected(door)
        taken = [(await door.post(**posted("x", id=f"m-{i}", conversation=f"c-{i}"))).status_code for i in range(3)]
        assert taken == [200, 200, 429]
        assert (await door.post(**posted("x", id="m-1", tenant="globex"))).status_code == 200


async def test_nobody_says_anything_to_a_gateway_unproven(nats: Nats, tmp_path: Path) -> None:
    file = laid(tmp_path / "shop")
    async with gateway(file, nats.url) as door:
        await connected(door)
        forged: dict[str, Any] = posted("x", id="m-1") | {"url": "/v1/messaging/ingress/dummy/globex"}
        assert (await door.post(**forged)).status_code == 403
        assert (await door.post("/v1/messaging/ingress/dummy/nobody", content=b"{}")).status_code == 404
        assert (await door.get("/api/v1/sessions")).status_code == 404


@pytest.mark.req("GRE-54.4")
async def test_a_secret_that_is_said_to_have_changed_is_asked_for_anew_in_its_environment_alone(
    nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, forgotten = laid(tmp_path / "shop"), list[tuple[Scope, str]]()

    def forget(self: Sources, scope: Scope, name: str) -> None:
        forgotten.append((scope, name))

    monkeypatch.setattr(Sources, "forget", forget)
    async with runner(file, nats.url), egress(file, nats.url) as told:
        await until(lambda: told.bus.is_connected)

        async def say() -> bool:
            for whose in ("nobody.dev", "acme.prod", "acme.dev"):
                await told.bus.wake(f"secrets.changed.{whose}.shop.key", b"")
            return bool(forgotten)

        await until(lambda: asyncio.ensure_future(say()))
    assert set(forgotten) == {(SCOPE, "shop.key")}


@pytest.mark.req("GRE-50.6")
async def test_a_message_over_http_comes_back_on_egress_with_its_correlation_id(nats: Nats, tmp_path: Path) -> None:
    file, seen = laid(tmp_path / "shop"), list[dict[str, Any]]()
    async with gateway(file, nats.url) as door, egress(file, nats.url) as sent:
        await connected(door)
        await until(lambda: sent.bus.is_connected)
        await sent.bus.listen("greentic.messaging.>", lambda subject, data: seen.append(json.loads(data)))
        await sent.bus.ask(lambda streams: streams.stream_info(DLQ))  # answered: it is listened by now
        async with runner(file, nats.url):
            for id in ("m-1", "m-2"):
                assert (await door.post(**posted("Hello?", id=id))).status_code == 200
            await until(lambda: len(sent.of("acme")) == 2)
    came, went = [each for each in seen if each.get("from")], [each for each in seen if not each["from"]]
    assert [each["correlation_id"] for each in came] == ["m-1", "m-2"]
    assert [each["correlation_id"] for each in went] == ["m-1", "m-2"]


@pytest.mark.req("GRE-50.7")
async def test_what_a_gateway_proves_and_cannot_read_is_one_letter_in_the_log_of_the_runner(
    nats: Nats, tmp_path: Path
) -> None:
    file, ops = laid(tmp_path / "shop"), Operator("ops")
    async with gateway(file, nats.url) as door:
        await connected(door)
        body, sent = b'{"id": "m-1", "words": "Hello?"}', str(int(time.time()))
        proof = {"dummy-time": sent, "dummy-signature": hmac_hex(SIGNS["acme"], sent.encode(), b".", body)}
        where = "/v1/messaging/ingress/dummy/acme"
        for _ in range(3):
            assert (await door.post(where, content=body, headers=proof)).status_code == 200
        long = posted("x", id="m" * 65)
        assert (await door.post(**long)).status_code == 200
        async with runner(file, nats.url) as runtime:
            await until(lambda: len(runtime.log(SCOPE).letters()) == 2)
            found = await runtime.letters.list(SCOPE, ops)
            assert [(each.state, each.channel, each.code) for each in found] == [("dead", "dummy", "body_invalid")] * 2
            assert "Hello?" in (found[0].text or "")
            detail = await runtime.letters.show(SCOPE, found[0].id, ops)
            assert "signature" not in json.dumps(detail.envelope)
            forged = {**proof, "dummy-signature": "0" * 64}
            assert (await door.post(where, content=b"{}", headers=forged)).status_code == 403
            assert (await door.post(**posted("Hi.", id="m-2"))).status_code == 200
            await until(lambda: len(runtime.log(SCOPE).stream_rows("session")) == 1)
            assert len(await runtime.letters.list(SCOPE, ops)) == 2


class Tells(DummyChannel):
    """A platform that reports in a request what became of a message."""

    def reports(self, scope: Scope, arrival: Arrival) -> tuple[Report, ...]:
        told = json.loads(arrival.body).get("report")
        return () if told is None else (Report(*told),)

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        return () if b"report" in arrival.body else super().parse(scope, arrival, sender)

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        await super().send(scope, message)
        return Delivery("unknown", "cut_off")

    @property
    def traits(self) -> Traits:
        return Traits("doubles", "hold")


@pytest.mark.req("GRE-50.8")
async def test_what_a_platform_reports_to_a_gateway_settles_a_doubt_of_the_runner(
    nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.channels.dummy.channel.DummyChannel", Tells)
    file, ops = laid(tmp_path / "shop"), Operator("ops")
    async with gateway(file, nats.url) as door, runner(file, nats.url) as runtime, egress(file, nats.url):
        await connected(door)
        assert (await door.post(**posted("Hello?", id="m-1"))).status_code == 200
        await until(lambda: len(runtime.log(SCOPE).stranded_rows(9)) == 1)
        (row,) = runtime.log(SCOPE).stranded_rows(9)
        body = json.dumps({"report": [row.session, row.message, "delivered", ""]}).encode()
        for _ in range(2):
            assert (await door.post(**signed(body))).status_code == 200
        await until(lambda: not runtime.log(SCOPE).stranded_rows(9))
        detail = await runtime.sessions.get(SCOPE, SessionId(row.session), ops).detail()
        assert detail.transcript[-1].state == "delivered"


@pytest.mark.req("GRE-50.9")
async def test_a_gateway_answers_at_the_addresses_that_name_no_tenant(
    nats: Nats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "s3")
    hooks = '\n[tenants.acme.hooks]\nkind = "webhook"\nscheme = "hmac"\nsecrets = ["env:HOOK"]\ntext = "/text"\n'
    hosts = PROJECT.replace("[tenants.acme]\n", '[tenants.acme]\nhosts = ["127.0.0.1"]\n')
    file = laid(tmp_path / "shop", hosts + hooks)
    async with gateway(file, nats.url) as door, runner(file, nats.url) as runtime:
        await connected(door)
        body = b'{"text": "Order 7"}'
        signed = {"x-signature": hmac_hex("s3", body), "x-signature-256": hmac_hex("s3", body)}
        assert (await door.post("/webhook/orders", content=body, headers=signed)).status_code == 200
        await until(lambda: len(runtime.log(SCOPE).stream_rows("session")) == 1)
        elsewhere = {**signed, "host": "elsewhere.example"}
        refused = await door.post("/webhook/orders", content=body, headers=elsewhere)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "host_unknown")
        assert (await door.post("/slack/events", content=b"{}")).status_code == 404
