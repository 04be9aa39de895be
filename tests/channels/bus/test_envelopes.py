"""Envelopes: what goes into one comes out of it, and one of another tenant is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from lichen.channels.bus import envelopes
from lichen.channels.bus.subjects import Way
from lichen.channels.port import Inbound
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Invalid, NotFound
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Customer
from lichen.engine.ports import Outbound

WAY = Way("dev", "acme", "default", "slack")
PICTURE = {"contentType": "image/png", "contentUrl": "data:image/png;base64,AA==", "name": "a.png"}
MESSAGE = Inbound(
    "C1:U7",
    Customer("slack:T1:U7"),
    "Where is it?",
    "171.5",
    data=b'{"ts":"171.5"}',
    envelope={"metadata": {"order": "9", "n": 3}, "value": {"a": [1]}, "attachments": [PICTURE]},
    locale="de-AT",
    address=b"\x00\xffC1",
    path="orders",
    pressed="m-1:2",
)


@pytest.mark.req("GRE-50.1")
def test_a_message_lies_on_the_bus_as_a_channel_message_envelope() -> None:
    found = json.loads(envelopes.written(WAY, MESSAGE))
    assert {"id", "tenant", "channel", "session_id", "from", "to", "text", "attachments", "metadata"} <= found.keys()
    assert found["tenant"] | {} == {
        "env": "dev", "tenant": "acme", "tenant_id": "acme", "attempt": 0, "team": "default", "team_id": "default",
        "user": "slack:T1:U7", "user_id": "slack:T1:U7", "session_id": "C1:U7", "correlation_id": "171.5",
        "i18n_id": "de-AT",
    }  # fmt: skip
    assert found["correlation_id"] == "171.5"
    assert found["from"] == {"id": "slack:T1:U7", "kind": "user"}
    assert found["attachments"] == [{"mime_type": "image/png", "url": PICTURE["contentUrl"], "name": "a.png"}]
    assert found["metadata"] == {"order": "9"}


@pytest.mark.req("GRE-50.1")
@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        Inbound("c", Customer("slack:1"), "", "1"),
        Inbound("c", Customer("slack:1"), "x", "1", envelope={"attachments": [{"contentType": "a/b"}]}),
        Inbound("c", Customer("slack:1"), "x", "1", envelope={"attachments": [{**PICTURE, "thumbnailUrl": "t"}]}),
        Inbound("c", Customer("slack:1"), "x", "1", envelope={"attachments": []}),
    ],
)
def test_what_goes_into_an_envelope_comes_out_of_it(message: Inbound) -> None:
    assert envelopes.inbound(WAY, envelopes.written(WAY, message)) == message


@pytest.mark.req("GRE-50.1")
def test_an_answer_goes_into_an_envelope_with_its_card_and_comes_out_of_it() -> None:
    card: dict[str, Any] = {"type": "AdaptiveCard", "version": "1.5", "body": []}
    message = Outbound(
        MessageId("run-1/answer"), SessionId("s-1"), "answer", Saying("Here.", card), 5, b"\x01C1",
        suggestions=("Yes", "No"), schema={"type": "object"}, language="de", metadata={"failure": "slow"},
    )  # fmt: skip
    job = envelopes.Job(message, "dev.acme.k", 2)
    data = envelopes.posted(WAY, job)
    found = json.loads(data)
    assert json.loads(found["metadata"]["adaptive_card"]) == card == found["extensions"]["adaptive_card"]
    assert found["text"] == "Here."
    assert envelopes.job(WAY, data) == job


@pytest.mark.req("GRE-54.3")
@pytest.mark.parametrize(
    "other", [WAY._replace(tenant="globex"), WAY._replace(env="prod"), WAY._replace(channel="teams")]
)
def test_an_envelope_of_one_tenant_on_the_subject_of_another_is_refused(other: Way) -> None:
    with pytest.raises(Invalid) as refused:
        envelopes.inbound(other, envelopes.written(WAY, MESSAGE))
    assert refused.value.code == "envelope_invalid"


@pytest.mark.req("GRE-52.5")
@pytest.mark.parametrize("data", [b"\xff\xfe", b"[]", b"{", b'{"id": 3}'])
def test_what_is_no_envelope_is_refused_and_is_a_whole_dead_letter(data: bytes) -> None:
    with pytest.raises(Invalid):
        envelopes.inbound(WAY, data)
    letter = envelopes.buried(WAY, "ingress", data, NotFound("Gone."), tries=3, at="2026-01-01T00:00:00+00:00")
    found = json.loads(msgspec.json.encode(letter))
    assert found.keys() == {"tenant", "stage", "platform", "msg_id", "retries", "ts", "error", "envelope"}
    assert found["error"] == {"code": "not_found", "message": "Gone.", "stage": "ingress"}
    assert (found["tenant"], found["platform"], found["retries"]) == ("acme", "slack", 3)


@pytest.mark.req("GRE-52.6")
def test_a_dead_letter_that_claims_the_envelope_of_another_tenant_is_not_taken_again() -> None:
    data = envelopes.written(WAY, MESSAGE)
    letter = envelopes.buried(WAY, "ingress", data, NotFound("Gone."), tries=1, at="")
    way, again = envelopes.raised(msgspec.json.encode(letter))
    assert way == WAY
    assert envelopes.inbound(way, again) == MESSAGE
    with pytest.raises(Invalid):
        envelopes.raised(msgspec.json.encode(msgspec.structs.replace(letter, tenant="globex")))
