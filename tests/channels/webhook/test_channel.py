"""Webhooks do what every channel must; what a delivery says, and where answers go."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from lichen.channels.platform.signing import hmac_hex
from lichen.channels.port import Arrival, Setup, Unhosted
from lichen.channels.webhook.channel import WebhookChannel, WebhookSettings
from lichen.channels.webhook.schemes import PROOFS, Scheme, standard_signature
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.loopback import Loopback, body_of, cut_off, respond

NOW_S = 1_760_000_000
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SCOPE = Scope("acme", "dev")
SAYS = {"text": "/message", "conversation": "/thread", "sender": "/from/id", "id": "/id"}


def made(url: str = "", **settings: Any) -> WebhookChannel:
    """A webhook of Standard Webhooks, answers to which go to `url`."""
    out = {"url": url, "url_secret": "secret:out"} if url else {}
    host = Unhosted({"secret:webhook-secret": KEY, "secret:out": KEY}, clock=lambda: NOW_S * 1_000_000)
    return WebhookChannel(Setup(SCOPE, msgspec.convert({**settings, **out}, WebhookSettings), host=host))


def delivery(body: bytes, id: str = "msg-1", **headers: str) -> Arrival:
    mark = standard_signature(KEY, id, NOW_S, body)
    proofs = {"webhook-id": id, "webhook-timestamp": str(NOW_S), "webhook-signature": mark}
    return Arrival("POST", "/", {}, {**proofs, **headers}, body, NOW_S * 1_000_000)


class Receiver(Loopback):
    """Where answers are posted to. `says` are the statuses it answers with, the last one for all that follow."""

    def __init__(self, says: Sequence[int] = (200,), headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.url = f"{self.url}/answers"
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._statuses, self._headers = list(says), headers

    def post(self, request: BaseHTTPRequestHandler) -> None:
        """An answer."""
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, body_of(request)))
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if status:
            respond(request, status, headers=self._headers)
        else:
            cut_off(request)


class TestWebhook(ChannelConformance):
    proofs = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def channel(self) -> WebhookChannel:
        return made(**SAYS)

    def body(self, text: str, id: str, conversation: str) -> bytes:
        return msgspec.json.encode({"id": id, "message": text, "thread": conversation, "from": {"id": "ann"}})

    def arrival(self, body: bytes) -> Arrival:
        return delivery(body)

    def words(self, rendered: dict[str, Any]) -> str:
        return rendered["text"]

    @contextmanager
    def platform(self, channel: WebhookChannel) -> Generator[Sequence[Received]]:
        with Receiver() as receiver:
            told = made(receiver.url, **SAYS)
            channel.send = told.send  # pyright: ignore[reportAttributeAccessIssue]
            yield Got(receiver)


class Got(Sequence[Received]):
    """What a receiver got so far."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def __len__(self) -> int:
        return len(self._receiver.got)

    def __getitem__(self, i: Any) -> Any:
        found: list[Any] = [_received(headers, body) for headers, body in self._receiver.got]
        return found[i]


def _received(headers: dict[str, str], body: bytes) -> Received:
    said = msgspec.json.decode(body)
    assert said["id"] == headers["webhook-id"]
    return Received(said["id"], said["text"], said["conversation"].encode())


def parsed(channel: WebhookChannel, arrival: Arrival) -> Any:
    (message,) = channel.parse(SCOPE, arrival, None)
    return message


def documented(scheme: Scheme) -> tuple[str, Arrival]:
    """A delivery that a scheme proves, and its secret."""
    body, secret, sent = b'{"id":"evt_1","type":"charge.succeeded"}', KEY, str(NOW_S)
    if scheme == "github":
        # The secret and headers of https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers
        secret, body = "It's a Secret to Everybody", b'{"action":"opened","issue":{"number":1347,"node_id":"evt_1"}}'
        headers = {"x-github-event": "issues", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
        headers |= {"x-hub-signature-256": f"sha256={hmac_hex(secret, body)}", "content-type": "application/json"}
        return secret, Arrival("POST", "/", {}, headers, body, NOW_S * 1_000_000)
    if scheme == "standard":
        return secret, delivery(body)
    if scheme == "slack":
        body = b'{"type":"event_callback","event_id":"evt_1","event":{"type":"message"}}'
        signed = hmac_hex(secret, b"v0:", sent.encode(), b":", body)
        headers = {"x-slack-request-timestamp": sent, "x-slack-signature": f"v0={signed}"}
    elif scheme == "stripe":
        headers = {"stripe-signature": f"t={sent},v1={hmac_hex(secret, sent.encode(), b'.', body)}"}
    elif scheme == "bearer":
        headers = {"authorization": f"Bearer {secret}"}
    else:
        headers = {"x-signature": hmac_hex(secret, body)}
    return secret, Arrival("POST", "/", {}, headers, body, NOW_S * 1_000_000)


PUSH = msgspec.json.encode(
    {"ref": "refs/heads/main", "repository": {"full_name": "octo/hello"}, "pusher": {"name": "octocat"}}
)


@pytest.mark.req("SYM-92.1")
def test_a_delivery_without_a_place_for_its_conversation_is_one_of_its_own() -> None:
    channel = made(scheme="github", data={"repository": "/repository/full_name", "by": "/pusher/name"})
    headers = {"x-github-event": "push", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
    message = parsed(channel, Arrival("POST", "/", {}, headers, PUSH, 0))
    assert (message.text, message.id, message.sender.id) == ("push", sha256(PUSH).hexdigest(), "webhook:github")
    assert message.conversation == message.id
    assert message.envelope == {"repository": "octo/hello", "by": "octocat"}


@pytest.mark.req("SYM-92.2")
@pytest.mark.parametrize("scheme", sorted(PROOFS))
async def test_a_proven_delivery_is_the_same_whatever_its_unsigned_headers_say(scheme: Scheme) -> None:
    """Whoever captured one brings it again under another id, as another event, in another form."""
    secret, first = documented(scheme)
    host = Unhosted({"secret:webhook-secret": secret}, clock=lambda: first.now_us)
    channel = WebhookChannel(Setup(SCOPE, WebhookSettings(scheme=scheme), host=host))
    known = parsed(channel, first).id
    for unsigned in (
        {"x-github-delivery": "another"},
        {"x-github-event": "deployment"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"x-request-id": "another", "idempotency-key": "another", "x-slack-retry-num": "1"},
        {"webhook-id": "another"} if scheme != "standard" else {},
    ):
        again = msgspec.structs.replace(first, headers={**first.headers, **unsigned}, query={"id": "another"})
        assert await channel.verify(SCOPE, again) is None
        assert parsed(channel, again).id == known
    other = msgspec.structs.replace(first, body=first.body.replace(b"evt_1", b"evt_2"))
    assert parsed(channel, other).id != known or scheme == "standard"


@pytest.mark.req("SYM-92.2")
async def test_the_id_of_a_standard_webhook_is_signed_with_it() -> None:
    secret, first = documented("standard")
    host = Unhosted({"secret:webhook-secret": secret}, clock=lambda: first.now_us)
    channel = WebhookChannel(Setup(SCOPE, WebhookSettings(), host=host))
    again = msgspec.structs.replace(first, headers={**first.headers, "webhook-id": "msg-2"})
    with pytest.raises(Denied) as refused:
        await channel.verify(SCOPE, again)
    assert refused.value.code == "signature_invalid"


@pytest.mark.req("SYM-92.1")
def test_without_named_data_a_planner_reads_the_whole_body_and_a_form_is_read_too() -> None:
    channel = made(scheme="stripe")
    body = b'{"id":"evt_1","type":"charge.succeeded","data":{"object":{"amount":100}}}'
    message = parsed(channel, Arrival("POST", "/", {}, {}, body, 0))
    assert (message.id, message.text) == ("evt_1", "charge.succeeded")
    assert message.envelope["value"]["data"] == {"object": {"amount": 100}}
    form = {"content-type": "application/x-www-form-urlencoded"}
    posted = parsed(channel, Arrival("POST", "/", {}, form, b"payload=%7B%22id%22%3A%22evt_2%22%7D", 0))
    assert posted.id == "evt_2"
    fields = parsed(made(scheme="slack", text="/text"), Arrival("POST", "/", {}, form, b"text=hi+there&id=7", 0))
    assert (fields.text, fields.id) == ("hi there", "7")


@pytest.mark.req("SYM-92.1")
def test_what_is_not_where_the_settings_say_is_refused_at_that_place() -> None:
    for body, place in ((b'{"id": "1", "from": {"id": 1}}', "/thread"), (b'{"id": "1", "thread": "a"}', "/from/id")):
        with pytest.raises(Invalid) as refused:
            made(**SAYS).parse(SCOPE, delivery(body), None)
        assert (refused.value.code, refused.value.place) == ("body_invalid", place)


@pytest.mark.req("GRE-56.1")
def test_the_challenge_of_slack_is_repeated_and_says_nothing() -> None:
    channel = made(scheme="slack")
    challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"  # https://docs.slack.dev, url_verification
    said = {"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": challenge, "type": "url_verification"}
    body = msgspec.json.encode(said)
    arrival = Arrival("POST", "/", {}, {}, body, 0)
    assert channel.parse(SCOPE, arrival, None) == ()
    assert channel.reply(SCOPE, arrival).body == challenge.encode()


def answer(text: str = "Done.") -> Outbound:
    return Outbound(MessageId("o1"), SessionId("ses-1"), "answer", Saying(text), 0, b"thread-1")


@pytest.mark.req("SYM-90.1")
async def test_an_answer_is_posted_signed_as_a_standard_webhook_says_and_under_its_own_id() -> None:
    with Receiver() as receiver:
        assert (await made(receiver.url).send(SCOPE, answer())).outcome == "delivered"
    ((headers, body),) = receiver.got
    assert headers["webhook-id"] == "ses-1/o1"
    sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-signature"] == Webhook(KEY).sign("ses-1/o1", sent, body.decode())
    assert msgspec.json.decode(body) == {
        "type": "message.answer", "text": "Done.", "conversation": "thread-1", "id": "ses-1/o1"
    }  # fmt: skip


@pytest.mark.req("SYM-90.1")
@pytest.mark.parametrize(
    ("status", "headers", "outcome", "pause_s"),
    [
        (429, {"retry-after": "7"}, "retry", 7.0),
        (503, {}, "unknown", None),
        (0, {}, "unknown", None),
        (400, {}, "failed", None),
        (302, {"location": "http://169.254.169.254/"}, "unknown", None),
    ],
)
async def test_what_became_of_an_answer_is_known_by_what_the_receiver_said(
    status: int, headers: dict[str, str], outcome: str, pause_s: float | None
) -> None:
    with Receiver((status,), headers) as receiver:
        delivered = await made(receiver.url).send(SCOPE, answer())
    assert (delivered.outcome, delivered.retry_after_s) == (outcome, pause_s)
    assert len(receiver.got) == 1


@pytest.mark.req("SYM-90.1")
async def test_a_receiver_that_is_away_is_left_alone_for_a_while_and_nothing_is_in_doubt() -> None:
    channel = made("http://127.0.0.1:1/answers")
    outcomes = [await channel.send(SCOPE, answer()) for _ in range(30)]
    assert {each.outcome for each in outcomes} == {"retry"}
    assert outcomes[0].code == "platform_unreachable"
    assert outcomes[-1].code == "platform_resting"
    assert (outcomes[-1].retry_after_s or 0) >= 1


@pytest.mark.req("SYM-90.1")
@pytest.mark.parametrize("url", ["http://example.com/hook", "http://10.0.0.1/hook", "ftp://example.com/"])
async def test_no_answer_goes_to_an_address_without_tls(url: str) -> None:
    delivered = await made(url).send(SCOPE, answer())
    assert (delivered.outcome, delivered.code) == ("failed", "address_invalid")


@pytest.mark.parametrize(
    "settings",
    [{"secrets": []}, {"url": "https://a.example/"}, {"text": "message"}, {"data": {"a": "b"}}, {"scheme": "md5"}],
)
def test_settings_that_could_not_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, WebhookSettings)
