"""Telegram: updates as its Bot API documents them, and that API on loopback."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from html import unescape
from typing import Any

import msgspec
import pytest

from lichen.channels.port import Arrival, FileRef, Pointed, Setup, Unhosted
from lichen.channels.telegram.channel import TelegramChannel, TelegramSettings
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid, NotFound
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.telegram.server import PICTURE, TOKEN, BotApi, Refusal

SCOPE = Scope("acme", "dev")
SECRET = "a-secret-of-ours_42"


def channel(url: str = "http://127.0.0.1:1", token: str = TOKEN, **settings: Any) -> TelegramChannel:
    host = Unhosted({"secret:telegram-token": token, "secret:telegram-webhook-secret": SECRET})
    said = {"api_base_url": url, **settings}
    return TelegramChannel(Setup(SCOPE, msgspec.convert(said, TelegramSettings), host=host))


def arrival(update: dict[str, Any] | bytes) -> Arrival:
    body = update if isinstance(update, bytes) else msgspec.json.encode(update)
    return Arrival("POST", "/", {}, {"x-telegram-bot-api-secret-token": SECRET}, body, 0)


# https://core.telegram.org/bots/webhooks#testing-your-bot-with-updates
MESSAGE: dict[str, Any] = {
    "date": 1_441_645_532,
    "chat": {"last_name": "Test Lastname", "id": 1_111_111, "type": "private", "first_name": "Test Firstname",
             "username": "Testusername"},
    "message_id": 1365,
    "from": {"last_name": "Test Lastname", "id": 1_111_111, "first_name": "Test Firstname", "username": "Testusername",
             "language_code": "de"},
    "text": "/start",
}  # fmt: skip
GROUP = {"id": -100_123, "type": "supergroup", "title": "Team", "is_forum": True}


def update(**changes: Any) -> dict[str, Any]:
    return {"update_id": 10_000, "message": {**MESSAGE, **changes}}


def parsed(said: dict[str, Any], **settings: Any) -> Any:
    (message,) = channel(**settings).parse(SCOPE, arrival(said), None)
    return message


class TestTelegram(ChannelConformance):
    proofs = ("x-telegram-bot-api-secret-token",)
    good_for_s = None
    signs_body = False  # the secret says that it is Telegram's; TLS keeps the rest

    def channel(self) -> TelegramChannel:
        return channel()

    def body(self, text: str, id: str, conversation: str) -> bytes:
        return msgspec.json.encode({"update_id": int(id.removeprefix("m-")), "message": {**MESSAGE, "text": text}})

    def arrival(self, body: bytes) -> Arrival:
        return arrival(body)

    def words(self, rendered: dict[str, Any]) -> str:
        return "".join(unescape(each["text"]) for each in rendered["messages"])

    @contextmanager
    def platform(self, channel: TelegramChannel) -> Generator[Sequence[Received]]:
        with BotApi() as api:
            channel.send = _channel(api).send  # pyright: ignore[reportAttributeAccessIssue]
            yield _Got(api)


def _channel(api: BotApi, **more: Any) -> TelegramChannel:
    return channel(api.url, **more)


class _Got(Sequence[Received]):
    def __init__(self, api: BotApi) -> None:
        self._api = api

    def __len__(self) -> int:
        return len(self._api.called)

    def __getitem__(self, i: Any) -> Any:
        found: list[Any] = [
            Received("", each["text"], msgspec.json.encode({"chat": each["chat_id"]})) for each in self._api.called
        ]
        return found[i]


# -- what --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-59.1")
def test_a_message_is_read_as_documented() -> None:
    message = parsed(update())
    assert (message.text, message.id, message.locale) == ("/start", "10000", "de")
    assert (message.sender.id, message.conversation) == ("telegram:1111111", "1111111")
    assert msgspec.json.decode(message.address) == {"chat": 1_111_111}


@pytest.mark.req("GRE-59.1")
def test_in_a_group_everybody_has_a_conversation_of_their_own_in_each_topic() -> None:
    said = update(chat=GROUP, text="@acme_bot hello", message_thread_id=7, is_topic_message=True)
    message = parsed(said, username="acme_bot")
    assert (message.text, message.conversation) == ("hello", "-100123:t7:1111111")
    assert msgspec.json.decode(message.address) == {"chat": -100_123, "thread": 7, "about": 1365}
    other = {**MESSAGE["from"], "id": 22}
    assert parsed({**said, "message": {**said["message"], "from": other}}).conversation == "-100123:t7:22"


@pytest.mark.req("GRE-59.1")
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"text": "between us"}, None),
        ({"text": "/help@acme_bot me"}, "/help me"),
        ({"text": "I think @Acme_Bot knows"}, "I think @Acme_Bot knows"),
        ({"text": "yes", "reply_to_message": {"message_id": 9, "from": {"id": 1, "is_bot": True}}}, "yes"),
        ({"text": "yes", "reply_to_message": {"message_id": 9, "from": {"id": 2}}}, None),
    ],
)
def test_in_a_group_the_bot_hears_who_speaks_to_it(changes: dict[str, Any], text: str | None) -> None:
    found = channel(username="acme_bot").parse(SCOPE, arrival(update(chat=GROUP, **changes)), None)
    assert [each.text for each in found] == ([] if text is None else [text])


@pytest.mark.req("GRE-59.1")
@pytest.mark.parametrize(
    ("changes", "text", "files"),
    [
        ({"text": "", "caption": "A cat", "photo": [{"file_id": "small"}, {"file_id": "p1", "file_size": 9}]},
         "A cat", (FileRef("p1", "photo.jpg", "image/jpeg", 9),)),
        ({"text": "", "voice": {"file_id": "v1", "duration": 3, "mime_type": "audio/ogg", "file_size": 7}},
         "", (FileRef("v1", "voice.ogg", "audio/ogg", 7),)),
        ({"text": "", "document": {"file_id": "d1", "file_name": "bill.pdf", "mime_type": "application/pdf"}},
         "", (FileRef("d1", "bill.pdf", "application/pdf"),)),
        ({"text": "", "location": {"latitude": 52.5, "longitude": 13.4}}, "52.5, 13.4", ()),
        ({"text": "", "contact": {"phone_number": "+49301234", "first_name": "Ann"}}, "Ann +49301234", ()),
    ],
)  # fmt: skip
def test_other_messages_are_read_as_documented(changes: dict[str, Any], text: str, files: tuple[FileRef, ...]) -> None:
    message = parsed(update(**changes))
    assert (message.text, message.files) == (text, files)


@pytest.mark.req("GRE-59.1")
@pytest.mark.parametrize(
    "said",
    [
        {"update_id": 1, "edited_message": MESSAGE},
        {"update_id": 1, "my_chat_member": {}},
        update(text="", new_chat_members=[]),
        update(**{"from": {"id": 5, "is_bot": True}}),
    ],
)
def test_what_nobody_said_to_the_bot_is_no_message(said: dict[str, Any]) -> None:
    assert channel().parse(SCOPE, arrival(said), None) == ()


def outbound(saying: Saying | str, *, suggestions: tuple[str, ...] = (), chat: int = 7) -> Outbound:
    address = msgspec.json.encode({"chat": chat, "thread": 3, "about": 11})
    said = Saying.of(saying)
    return Outbound(MessageId("o1"), SessionId("ses-1"), "answer", said, 0, address, suggestions=suggestions)


CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [
        {"type": "TextBlock", "text": "Title", "weight": "bolder", "size": "large"},
        {"type": "TextBlock", "text": "Body text <x> & y"},
        {"type": "FactSet", "facts": [{"title": "K", "value": "V"}]},
        {"type": "Image", "url": "https://e.com/a.png"},
    ],
    "actions": [
        {"type": "Action.Submit", "title": "Go", "data": {"step": "go"}},
        {"type": "Action.OpenUrl", "title": "Open", "url": "https://e.com"},
    ],
}


@pytest.mark.req("GRE-59.2")
def test_a_card_with_one_picture_is_a_photo_with_its_words_and_a_keyboard() -> None:
    (photo,) = channel().render(outbound(Saying("A card.", CARD)))["messages"]
    assert (photo["method"], photo["photo"], photo["parse_mode"]) == ("sendPhoto", "https://e.com/a.png", "HTML")
    assert photo["caption"] == "<b>Title</b>\nBody text &lt;x&gt; &amp; y\n<b>K:</b> V"
    ((go, open_),) = photo["reply_markup"]["inline_keyboard"]
    assert (go["text"], open_) == ("Go", {"text": "Open", "url": "https://e.com"})


@pytest.mark.req("GRE-59.2")
def test_several_pictures_are_an_album_before_the_words() -> None:
    pictures = [{"type": "Image", "url": f"https://e.com/{n}.png"} for n in range(12)]
    calls = channel().render(outbound(Saying("Cards.", {**CARD, "body": pictures, "actions": []})))["messages"]
    assert [each["method"] for each in calls] == ["sendMediaGroup", "sendMediaGroup", "sendMessage"]
    assert [len(each["media"]) for each in calls[:2]] == [10, 2]


@pytest.mark.req("GRE-59.3")
@pytest.mark.parametrize("data", [{"step": "go"}, {"long": "x" * 80}])
def test_a_press_comes_back_with_the_words_and_what_fits_of_the_data(data: dict[str, Any]) -> None:
    card = {**CARD, "actions": [{"type": "Action.Submit", "title": "Go", "data": data}]}
    (photo,) = channel().render(outbound(Saying("A card.", card)))["messages"]
    keyboard = photo["reply_markup"]
    pressed = keyboard["inline_keyboard"][0][0]["callback_data"]
    assert len(pressed.encode()) <= 64
    shown = {"message_id": 9, "chat": MESSAGE["chat"], "date": 0, "reply_markup": keyboard}
    callback = {"id": "4382bfdwdsb323b2d9", "from": MESSAGE["from"], "message": shown, "data": pressed}
    message = parsed({"update_id": 10_001, "callback_query": callback})
    assert message.text == "Go"
    kept = (data, "") if "step" in data else (None, "p:o1~ses-1/1")
    assert (message.envelope.get("value"), message.pressed) == kept


@pytest.mark.req("GRE-59.3")
async def test_a_press_is_answered_so_that_its_button_stops_waiting() -> None:
    shown = {"message_id": 9, "chat": MESSAGE["chat"], "date": 0}
    callback = {"id": "77", "from": MESSAGE["from"], "message": shown, "data": "n:1"}
    with BotApi() as api:
        await _channel(api).follow(SCOPE, arrival({"update_id": 1, "callback_query": callback}))
        await _channel(api).follow(SCOPE, arrival(update()))
    assert api.called == [{"method": "answerCallbackQuery", "callback_query_id": "77"}]


@pytest.mark.req("GRE-59.2")
def test_a_keyboard_has_rows_of_three_and_more_choices_are_a_list() -> None:
    words = tuple(f"choice {n}" for n in range(24))
    (shown,) = channel().render(outbound("Which?", suggestions=words))["messages"]
    rows = shown["reply_markup"]["inline_keyboard"]
    assert sum(map(len, rows)) == 24
    assert len(rows) == 8
    (listed,) = channel().render(outbound("Which?", suggestions=(*words, "one more")))["messages"]
    assert "25. one more" in listed["text"]
    assert "reply_markup" not in listed


@pytest.mark.req("GRE-59.2")
def test_a_long_text_is_several_messages_counted_in_utf16() -> None:
    calls = channel().render(outbound("\U0001f600" * 5_000, suggestions=("yes",)))["messages"]
    assert all(len(each["text"].encode("utf-16-le")) // 2 <= 4_096 for each in calls)
    assert "".join(each["text"] for each in calls) == "\U0001f600" * 5_000
    assert ["reply_markup" in each for each in calls] == [*[False] * (len(calls) - 1), True]


# -- out ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-59.4")
async def test_a_message_goes_to_its_chat_and_topic_as_an_answer_with_its_files_behind_it() -> None:
    files = (Attachment("image/png", "https://e.com/a.png"), Attachment("application/pdf", "https://e.com/b.pdf", "b"))
    with BotApi() as api:
        assert (await _channel(api).send(SCOPE, outbound(Saying("See.", None, files)))).outcome == "delivered"
    assert [each["method"] for each in api.called] == ["sendMessage", "sendPhoto", "sendDocument"]
    for call in api.called:
        assert (call["chat_id"], call["message_thread_id"]) == (7, 3)
        assert call["reply_parameters"] == {"message_id": 11, "allow_sending_without_reply": True}


@pytest.mark.req("GRE-59.5")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code", "pause_s"),
    [
        (Refusal(429, "Too Many Requests: retry after 35", {"retry_after": 35}), "retry", "platform_busy", 35.0),
        (Refusal(403, "Forbidden: bot was blocked by the user"), "failed", "recipient_refused", None),
        (Refusal(400, "Bad Request: chat not found"), "failed", "status_400", None),
        (Refusal(401, "Unauthorized"), "retry", "credentials_refused", 60.0),
        (Refusal(502, "Bad Gateway"), "unknown", "status_502", None),
        (Refusal(0), "unknown", "cut_off", None),
    ],
)
async def test_what_became_of_a_message_is_known_by_what_telegram_says(
    refusal: Refusal, outcome: str, code: str, pause_s: float | None
) -> None:
    with BotApi() as api:
        api.refusals.append(refusal)
        found = await _channel(api).send(SCOPE, outbound("Hello."))
    assert (found.outcome, found.code, found.retry_after_s) == (outcome, code, pause_s)


@pytest.mark.req("GRE-59.5")
async def test_a_group_that_became_another_is_written_to_there() -> None:
    with BotApi() as api:
        api.refusals.append(Refusal(400, "Bad Request: group chat was upgraded", {"migrate_to_chat_id": -1_001}))
        assert (await _channel(api).send(SCOPE, outbound("Hello.", chat=-5))).outcome == "delivered"
    assert [each["chat_id"] for each in api.called] == [-1_001]


@pytest.mark.req("GRE-59.6")
async def test_a_file_is_asked_for_and_fetched() -> None:
    with BotApi() as api:
        assert await _channel(api).fetch(SCOPE, FileRef("p1")) == PICTURE
        with pytest.raises(NotFound):
            await _channel(api).fetch(SCOPE, FileRef("gone"))


@pytest.mark.req("GRE-65.1")
async def test_telegram_is_told_where_we_are_with_our_secret_and_for_what_we_read() -> None:
    with BotApi() as api:
        made = _channel(api)
        assert await made.register("https://acme.example/hook") == "Telegram sends to https://acme.example/hook."
        assert api.called[-1] == {
            "method": "setWebhook",
            "url": "https://acme.example/hook",
            "secret_token": SECRET,
            "allowed_updates": ["message", "callback_query"],
        }
        assert await made.check() == "@acme_bot, sends to https://acme.example/hook"
        await made.unregister()
        assert await made.check() == "@acme_bot, sends to nowhere"
        with pytest.raises(Denied):
            await _channel(api, token="1:wrong").check()


@pytest.mark.req("GRE-65.3")
async def test_telegram_says_where_it_sends_and_what_went_wrong_with_that_of_late() -> None:
    with BotApi() as api:
        made = _channel(api)
        assert await made.pointed() == Pointed()
        await made.register("https://acme.example/hook")
        assert await made.pointed() == Pointed(("https://acme.example/hook",))
        # https://core.telegram.org/bots/api#webhookinfo
        wrong = "Wrong response from the webhook: 403 Forbidden"
        api.info = {"last_error_date": -60, "last_error_message": wrong, "allowed_updates": ["message"]}  # it is 0 now
        assert (await made.pointed()).trouble == (wrong, "it sends no callback_query")
        api.info = {"last_error_date": -7_200, "last_error_message": wrong}
        assert (await made.pointed()).trouble == ()


async def test_that_somebody_writes_is_shown() -> None:
    with BotApi() as api:
        await _channel(api).typing(SCOPE, b'{"chat":7}')
    assert api.called == [{"method": "sendChatAction", "chat_id": 7, "action": "typing"}]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"update_id":"x"}', b'{"update_id":1,"message":{"message_id":1}}'])
def test_what_is_no_update_is_refused_with_its_place(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        channel().parse(SCOPE, arrival(body), None)
    assert refused.value.place is not None
    assert refused.value.place.startswith("$")
