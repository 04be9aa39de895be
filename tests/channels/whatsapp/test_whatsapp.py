"""WhatsApp: notifications as Meta documents them, and its API on loopback."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from lichen.channels.port import Arrival, FileRef, Report, Setup, Unhosted
from lichen.channels.whatsapp.channel import WhatsAppChannel, WhatsAppSettings
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid, NotFound
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.whatsapp.server import NUMBER, PICTURE, TOKEN, Meta, Refusal

SCOPE = Scope("acme", "dev")
SECRET, WORDS = "app secret", "words of ours"
NOW_S = 1_749_416_383


def channel(url: str = "http://127.0.0.1:1", now_s: int = NOW_S, **settings: Any) -> WhatsAppChannel:
    secrets = {"token": TOKEN, "verify-token": WORDS, "app-secret": SECRET}
    host = Unhosted(
        {f"secret:whatsapp-{name}": value for name, value in secrets.items()}, clock=lambda: now_s * 1_000_000
    )
    said = {"phone_number_id": NUMBER, "api_base_url": url, **settings}
    return WhatsAppChannel(Setup(SCOPE, msgspec.convert(said, WhatsAppSettings), host=host))


def arrival(body: bytes) -> Arrival:
    mark = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return Arrival("POST", "/", {}, {"x-hub-signature-256": f"sha256={mark}"}, body, NOW_S * 1_000_000)


def notification(*messages: dict[str, Any], number: str = NUMBER, **more: Any) -> bytes:
    """A notification with these messages, as in Meta's documentation."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": number},
        "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": "16505551234"}],
        "messages": list(messages),
        **more,
    }
    entry = {"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


# https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
TEXT: dict[str, Any] = {
    "from": "16505551234",
    "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=",
    "timestamp": "1749416383",
    "type": "text",
    "text": {"body": "Does it come in another color?"},
}


def of(kind: str, **more: Any) -> dict[str, Any]:
    return {**{name: TEXT[name] for name in ("from", "id", "timestamp")}, "type": kind, **more}


def parsed(*messages: dict[str, Any]) -> Any:
    made = channel()
    (message,) = made.parse(SCOPE, arrival(notification(*messages)), None)
    return message


class TestWhatsApp(ChannelConformance):
    proofs = ("x-hub-signature-256",)
    good_for_s = None

    def channel(self) -> WhatsAppChannel:
        return channel()

    def body(self, text: str, id: str, conversation: str) -> bytes:
        return notification({**TEXT, "id": id, "from": conversation, "text": {"body": text}})

    def arrival(self, body: bytes) -> Arrival:
        return arrival(body)

    def words(self, rendered: dict[str, Any]) -> str:
        return "".join(each["text"]["body"] for each in rendered["messages"]).replace("\u200b", "")

    @contextmanager
    def platform(self, channel: WhatsAppChannel) -> Generator[Sequence[Received]]:
        with Meta() as meta:
            channel.send = _channel(meta).send  # pyright: ignore[reportAttributeAccessIssue]
            yield _Got(meta, self._address())


def _channel(meta: Meta, **more: Any) -> WhatsAppChannel:
    return channel(meta.url, **more)


class _Got(Sequence[Received]):
    def __init__(self, meta: Meta, address: bytes) -> None:
        self._meta, self._address = meta, address

    def __len__(self) -> int:
        return len(self._meta.posted)

    def __getitem__(self, i: Any) -> Any:
        to = msgspec.json.decode(self._address)["to"]
        found: list[Any] = []
        for each in self._meta.posted:
            assert each["to"] == to
            found.append(Received(each["biz_opaque_callback_data"], each["text"]["body"], self._address))
        return found[i]


# -- who ---------------------------------------------------------------------------------------------------------


def subscription(token: str) -> Arrival:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    return Arrival("GET", "/", query, {}, b"", 0)


@pytest.mark.req("GRE-60.1")
async def test_a_subscription_with_our_words_gets_its_challenge_and_another_is_refused() -> None:
    made = channel()
    assert await made.verify(SCOPE, subscription(WORDS)) is None
    assert made.reply(SCOPE, subscription(WORDS)).body == b"1158201444"
    assert made.parse(SCOPE, subscription(WORDS), None) == ()
    for wrong in ("", "words", WORDS + "x", "é"):
        with pytest.raises(Denied):
            await made.verify(SCOPE, subscription(wrong))


# -- what --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-60.2")
def test_a_text_is_read_as_documented() -> None:
    message = parsed(TEXT)
    assert (message.text, message.id) == (TEXT["text"]["body"], TEXT["id"])
    assert (message.sender.id, message.conversation) == ("whatsapp:16505551234", f"{NUMBER}:16505551234")
    assert msgspec.json.decode(message.address) == {"to": "16505551234", "at": 1_749_416_383, "about": TEXT["id"]}


@pytest.mark.req("GRE-60.2")
def test_every_message_of_every_change_is_read_and_those_of_another_number_are_not() -> None:
    one, other = (
        msgspec.json.decode(notification(TEXT, {**TEXT, "id": "b", "from": "4917"})),
        notification({**TEXT, "id": "c"}, number="999"),
    )
    one["entry"] += (
        msgspec.json.decode(other)["entry"] + msgspec.json.decode(notification({**TEXT, "id": "d"}))["entry"]
    )
    found = channel().parse(SCOPE, arrival(msgspec.json.encode(one)), None)
    assert [(each.id, each.sender.id) for each in found] == [
        (TEXT["id"], "whatsapp:16505551234"), ("b", "whatsapp:4917"), ("d", "whatsapp:16505551234")
    ]  # fmt: skip


@pytest.mark.req("GRE-60.2")
@pytest.mark.parametrize(
    ("message", "text", "files"),
    [
        (of("image", image={"caption": "Taj Mahal", "mime_type": "image/jpeg", "id": "1003383421387256"}),
         "Taj Mahal", (FileRef("1003383421387256", "image.jpeg", "image/jpeg"),)),
        (of("audio", audio={"mime_type": "audio/ogg; codecs=opus", "id": "1908647269898587"}),
         "", (FileRef("1908647269898587", "audio.ogg", "audio/ogg"),)),
        (of("document", document={"caption": "Bill", "filename": "b.pdf", "mime_type": "application/pdf", "id": "7"}),
         "Bill", (FileRef("7", "b.pdf", "application/pdf"),)),
        (of("location", location={"address": "101 Forest Ave", "latitude": 37.4, "longitude": -122.1, "name": "Philz"}),
         "Philz, 101 Forest Ave, 37.4, -122.1", ()),
        (of("contacts", contacts=[{"name": {"formatted_name": "Barbara J. Johnson"}, "phones": [{"phone": "+1"}]}]),
         "Barbara J. Johnson", ()),
        (of("button", button={"payload": "Unsubscribe", "text": "Unsubscribe"}), "Unsubscribe", ()),
        (of("unsupported", errors=[{"code": 131051}]), "[unsupported]", ()),
    ],
)  # fmt: skip
def test_other_types_of_messages_are_read_as_documented(
    message: dict[str, Any], text: str, files: tuple[FileRef, ...]
) -> None:
    found = parsed(message)
    assert (found.text, found.files) == (text, files)
    assert found.envelope["metadata"]["whatsapp.type"] == message["type"]


@pytest.mark.req("GRE-60.2")
def test_a_reaction_says_nothing() -> None:
    body = notification(of("reaction", reaction={"message_id": "wamid.1", "emoji": "\U0001f44d"}))
    assert channel().parse(SCOPE, arrival(body), None) == ()


def outbound(saying: Saying | str, *, suggestions: tuple[str, ...] = (), at: int = NOW_S) -> Outbound:
    address = msgspec.json.encode({"to": "16505551234", "at": at, "about": "wamid.1"})
    said = Saying.of(saying)
    return Outbound(MessageId("o1"), SessionId("ses-1"), "answer", said, 0, address, suggestions=suggestions)


CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [
        {"type": "TextBlock", "text": "Title", "weight": "bolder", "size": "large"},
        {"type": "TextBlock", "text": "Body text"},
        {"type": "Image", "url": "https://e.com/a.png"},
    ],
    "actions": [
        {"type": "Action.Submit", "title": "Go", "data": {"step": "go", "n": 7}},
        {"type": "Action.Submit", "title": "Stop", "data": {"step": "stop"}},
    ],
}


@pytest.mark.req("GRE-60.3")
def test_a_card_is_a_picture_and_buttons_with_its_heading_above_the_text() -> None:
    picture, buttons = channel().render(outbound(Saying("A card.", CARD)))["messages"]
    assert picture == {"type": "image", "image": {"link": "https://e.com/a.png"}}
    shown = buttons["interactive"]
    assert (shown["type"], shown["header"], shown["body"]) == (
        "button", {"type": "text", "text": "Title"}, {"text": "Body text"}
    )  # fmt: skip
    assert [each["reply"]["title"] for each in shown["action"]["buttons"]] == ["Go", "Stop"]


@pytest.mark.req("GRE-60.3")
@pytest.mark.parametrize("many", [False, True])
def test_what_is_pressed_comes_back_with_the_data_of_the_cards_button(many: bool) -> None:
    card = CARD
    if many:
        more = [{"type": "Action.Submit", "title": f"A longer choice, number {n}", "data": {"n": n}} for n in range(6)]
        card = {**CARD, "actions": [*CARD["actions"], *more]}
    (*_, last) = channel().render(outbound(Saying("A card.", card)))["messages"]
    action = last["interactive"]["action"]
    reply = action["sections"][0]["rows"][0] if many else action["buttons"][0]["reply"]
    kind = "list_reply" if many else "button_reply"
    message = parsed(of("interactive", interactive={"type": kind, kind: {"id": reply["id"], "title": reply["title"]}}))
    assert message.text == "Go"
    assert message.envelope["value"] == {"step": "go", "n": 7}
    assert (message.envelope["step"], message.envelope["metadata"]["n"]) == ("go", 7)


@pytest.mark.req("GRE-60.3")
def test_what_is_pressed_and_could_not_hold_its_data_says_where_that_is() -> None:
    card = {**CARD, "actions": [{"type": "Action.Submit", "title": "Go", "data": {"long": "x" * 300}}]}
    (*_, last) = channel().render(outbound(Saying("A card.", card)))["messages"]
    reply = last["interactive"]["action"]["buttons"][0]["reply"]
    pressed = {"type": "button_reply", "button_reply": {"id": reply["id"], "title": reply["title"]}}
    message = parsed(of("interactive", interactive=pressed))
    assert (message.text, message.pressed) == ("Go", "p:o1~ses-1/1")


@pytest.mark.req("GRE-60.3")
def test_choices_stay_within_what_whatsapp_takes() -> None:
    words = tuple(f"{n} " + "long words " * 20 for n in range(10))
    (shown,) = channel().render(outbound("Which one?", suggestions=words))["messages"]
    rows = shown["interactive"]["action"]["sections"][0]["rows"]
    assert len(rows) == 10
    for row in rows:
        assert len(row["title"]) <= 24
        assert len(row["description"]) <= 72
        assert len(row["id"]) <= 200
    (listed,) = channel().render(outbound("Which one?", suggestions=tuple("abcdefghijk")))["messages"]
    assert listed["text"]["body"].endswith("11. k")


@pytest.mark.req("GRE-60.3")
def test_a_long_text_is_several_messages_and_buttons_stand_below_the_last() -> None:
    messages = channel().render(outbound("words " * 2_000, suggestions=("yes", "no")))["messages"]
    bodies = [each.get("text", each.get("interactive", {}).get("body", {})) for each in messages]
    assert all(len(each.get("body", each.get("text"))) <= 1_024 for each in bodies)
    assert messages[-1]["type"] == "interactive"
    assert {each["type"] for each in messages[:-1]} == {"text"}


# -- out ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-60.4")
async def test_a_picture_and_a_document_go_after_the_text() -> None:
    files = (
        Attachment("image/png", "https://e.com/a.png"),
        Attachment("application/pdf", "https://e.com/b.pdf", "b.pdf"),
    )
    with Meta() as meta:
        assert (await _channel(meta).send(SCOPE, outbound(Saying("See.", None, files)))).outcome == "delivered"
    assert [each["type"] for each in meta.posted] == ["text", "image", "document"]
    assert meta.posted[2]["document"] == {"link": "https://e.com/b.pdf", "filename": "b.pdf"}
    assert {each["biz_opaque_callback_data"] for each in meta.posted} == {"ses-1/o1"}


@pytest.mark.req("GRE-60.5")
async def test_a_day_after_the_customers_last_words_only_a_template_is_sent() -> None:
    with Meta() as meta:
        late = outbound("Your order\n is here.", at=NOW_S - 86_401)
        refused = await _channel(meta).send(SCOPE, late)
        assert (refused.outcome, refused.code, meta.posted) == ("failed", "window_closed", [])
        in_time = outbound("Now.", at=NOW_S - 86_400)
        assert (await _channel(meta).send(SCOPE, in_time)).outcome == "delivered"
        assert (
            await _channel(meta, template="news", template_language="en_US").send(SCOPE, late)
        ).outcome == "delivered"
    assert meta.posted[-1]["template"] == {
        "name": "news",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Your order is here."}]}],
    }


@pytest.mark.req("GRE-60.6")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code"),
    [
        (Refusal(400, 130429), "retry", "platform_busy"),
        (Refusal(400, 131056), "retry", "platform_busy"),
        (Refusal(429, 80007), "retry", "platform_busy"),
        (Refusal(401, 190), "retry", "credentials_refused"),
        (Refusal(400, 131047), "failed", "window_closed"),
        (Refusal(400, 131026), "failed", "undeliverable"),
        (Refusal(400, 135000), "failed", "whatsapp_135000"),
        (Refusal(500, 131000), "unknown", "status_500"),
        (Refusal(0), "unknown", "cut_off"),
    ],
)
async def test_what_became_of_a_message_is_known_by_metas_code(refusal: Refusal, outcome: str, code: str) -> None:
    with Meta() as meta:
        meta.refusals.append(refusal)
        found = await _channel(meta).send(SCOPE, outbound("Hello."))
    assert (found.outcome, found.code) == (outcome, code)
    assert (found.retry_after_s is not None) == (outcome == "retry")


@pytest.mark.req("GRE-60.6")
async def test_a_message_of_several_parts_goes_on_where_it_was_asked_to_wait() -> None:
    message = outbound(Saying("See.", None, (Attachment("image/png", "https://e.com/a.png"),)))
    with Meta() as meta:
        made = _channel(meta)
        meta.refusals += [Refusal(200), Refusal(400, 131056)]
        assert (await made.send(SCOPE, message)).outcome == "retry"
        assert (await made.send(SCOPE, message)).outcome == "delivered"
    assert [each["type"] for each in meta.posted] == ["text", "image"]


@pytest.mark.req("GRE-60.7")
def test_what_became_of_a_message_later_is_reported_under_our_own_id() -> None:
    statuses = [
        {"id": "wamid.1", "status": "sent", "biz_opaque_callback_data": "ses-1/o1"},
        {"id": "wamid.1", "status": "delivered", "biz_opaque_callback_data": "ses-1/o1"},
        {"id": "wamid.2", "status": "failed", "errors": [{"code": 131026}], "biz_opaque_callback_data": "ses-1/o2"},
        {"id": "wamid.3", "status": "read"},
    ]
    found = channel().reports(SCOPE, arrival(notification(statuses=statuses)))
    assert found == (Report("ses-1", "o1", "delivered"), Report("ses-1", "o2", "failed", "whatsapp_131026"))


@pytest.mark.req("GRE-60.8")
async def test_a_file_is_asked_for_and_fetched_and_no_token_goes_to_another_host() -> None:
    with Meta() as meta:
        made = _channel(meta)
        assert await made.fetch(SCOPE, FileRef("media-1")) == PICTURE
        with pytest.raises(NotFound):
            await made.fetch(SCOPE, FileRef("media-gone"))
        with pytest.raises(Denied) as refused:
            await made.fetch(SCOPE, FileRef("media-elsewhere"))
    assert refused.value.code == "address_denied"


async def test_a_check_says_which_number_it_is_or_that_the_token_is_wrong() -> None:
    with Meta() as meta:
        assert await _channel(meta).check() == "15550783881 (Acme)"
        meta.refusals.append(Refusal(401, 190))
        with pytest.raises(Denied) as refused:
            await _channel(meta).check()
    assert refused.value.code == "credentials_refused"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"object":7}', b'{"object":"x","entry":[{"changes":[{"value":7}]}]}'])
def test_what_is_no_notification_is_refused_with_its_place(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        channel().parse(SCOPE, arrival(body), None)
    assert refused.value.place is not None
    assert refused.value.place.startswith("$")
