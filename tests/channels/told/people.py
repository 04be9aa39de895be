"""Customers of each channel, as their platform would speak for them, and what they are shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from html import unescape
from typing import Any, ClassVar, Protocol

import httpx

from tests.channels.mattermost import server as mattermost
from tests.channels.slack import sent as slack_sent
from tests.channels.slack import server as slack
from tests.channels.teams import server as teams
from tests.channels.teams import speaking
from tests.channels.telegram import server as telegram
from tests.channels.told.shop import Shop
from tests.channels.webex import server as webex
from tests.channels.whatsapp import server as whatsapp
from tests.served import PATIENCE_S

REASON = "wrong size"
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 64


class Person(Protocol):
    """Somebody on one channel."""

    order: str

    def say(self, text: str) -> None:
        """Writes something."""
        ...

    def fill(self) -> None:
        """Fills in the form: the order, and the second of the reasons."""
        ...

    def send_photo(self) -> None:
        """Sends a picture."""
        ...

    def shown(self) -> Sequence[str]:
        """Everything they were shown, in order."""
        ...


def hear(person: Person, until: str) -> None:
    """Waits until somebody was shown this."""
    deadline = time.monotonic() + PATIENCE_S
    while not any(until in text for text in person.shown()):
        assert time.monotonic() < deadline, (until, person.shown())
        time.sleep(0.05)


class OnTelegram:
    """A private chat with the bot."""

    order = "1001"
    _who: ClassVar[dict[str, Any]] = {"id": 77, "first_name": "Ann"}

    def __init__(self, shop: Shop, api: telegram.BotApi, secret: str) -> None:
        self._shop, self._api, self._secret, self._sent = shop, api, secret, 0

    def say(self, text: str) -> None:
        self._bring({"text": text})

    def fill(self) -> None:
        hear(self, "Order")
        self.say(self.order)
        hear(self, "Reason")
        keyboard = self._api.called[-1]["reply_markup"]
        button = [each for row in keyboard["inline_keyboard"] for each in row][1]
        shown = {"message_id": 9, "date": 0, "chat": {"id": 77, "type": "private"}, "reply_markup": keyboard}
        self._bring_callback({"id": "1", "from": self._who, "message": shown, "data": button["callback_data"]})

    def send_photo(self) -> None:
        self._bring({"photo": [{"file_id": "p1", "file_size": len(telegram.PICTURE)}]})

    def shown(self) -> Sequence[str]:
        calls = [each for each in self._api.called if each["method"] == "sendMessage"]
        return [unescape(each["text"]) for each in calls]

    def _bring(self, said: dict[str, Any]) -> None:
        who, chat = self._who, {"id": 77, "type": "private"}
        self._post({"message": {"message_id": self._sent, "date": 0, "chat": chat, "from": who, **said}})

    def _bring_callback(self, callback: dict[str, Any]) -> None:
        self._post({"callback_query": callback})

    def _post(self, update: dict[str, Any]) -> None:
        self._sent += 1
        body = json.dumps({"update_id": self._sent, **update}).encode()
        headers = {"x-telegram-bot-api-secret-token": self._secret, "content-type": "application/json"}
        for _ in range(2):  # a platform may bring it twice
            self._shop.post("/v1/messaging/ingress/telegram/acme", body, headers)


class OnWhatsApp:
    """A number of their own."""

    order = "1002"

    def __init__(self, shop: Shop, meta: whatsapp.Meta, secret: str) -> None:
        self._shop, self._meta, self._secret, self._sent = shop, meta, secret, 0

    def say(self, text: str) -> None:
        self._bring({"type": "text", "text": {"body": text}})

    def fill(self) -> None:
        hear(self, "Order")
        self.say(self.order)
        hear(self, "Reason")
        buttons = self._meta.posted[-1]["interactive"]["action"]["buttons"]
        reply = buttons[1]["reply"]
        pressed = {"type": "button_reply", "button_reply": {"id": reply["id"], "title": reply["title"]}}
        self._bring({"type": "interactive", "interactive": pressed})

    def send_photo(self) -> None:
        self._bring({"type": "image", "image": {"id": "media-1", "mime_type": "image/png"}})

    def shown(self) -> Sequence[str]:
        return [
            each["text"]["body"] if "text" in each else each["interactive"]["body"]["text"]
            for each in self._meta.posted
            if "text" in each or "interactive" in each
        ]

    def _bring(self, said: dict[str, Any]) -> None:
        self._sent += 1
        message = {"from": "4917012345", "id": f"wamid.in{self._sent}", "timestamp": str(int(time.time())), **said}
        value = {"metadata": {"phone_number_id": whatsapp.NUMBER}, "messages": [message]}
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        mark = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        for _ in range(2):
            self._shop.post("/v1/messaging/ingress/whatsapp/acme", body, {"x-hub-signature-256": f"sha256={mark}"})


class OnSlack:
    """A thread of a channel, begun by a mention."""

    order = "1004"
    _thread = "1760000000.000001"

    def __init__(self, shop: Shop, api: slack.Slack, secret: str) -> None:
        self._shop, self._api, self._secret, self._sent = shop, api, secret, 0

    def say(self, text: str) -> None:
        self._bring({"text": f"<@U0BOT> {text}"})

    def fill(self) -> None:
        hear(self, "What is it about?")
        (button,) = self._api.posted[-1]["blocks"][-1]["elements"]
        self._interact(slack_sent.pressing(button, channel="C1", thread=self._thread))
        deadline = time.monotonic() + PATIENCE_S
        while not (opened := self._api.of("views.open")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        view = opened[0]["view"]
        order, reason = (each["element"] for each in view["blocks"])
        values = {
            "order": {order["action_id"]: {"type": order["type"], "value": self.order}},
            "reason": {reason["action_id"]: {"type": reason["type"], "selected_option": reason["options"][1]}},
        }
        self._interact(slack_sent.submission(view, values))

    def send_photo(self) -> None:
        file = {"id": "F1", "name": "a.png", "mimetype": "image/png", "url_private": f"{self._api.url}/files/F1"}
        self._bring({"text": "<@U0BOT>", "subtype": "file_share", "files": [file]})

    def shown(self) -> Sequence[str]:
        assert all(each["thread_ts"] == self._thread for each in self._api.posted)
        return [unescape(each["text"]) for each in self._api.posted]

    def _bring(self, said: dict[str, Any]) -> None:
        self._sent += 1
        thread = (
            {"ts": self._thread}
            if self._sent == 1
            else {"ts": f"1760000000.{self._sent:06}", "thread_ts": self._thread}
        )
        event = {"type": "message", "channel": "C1", "user": "U061F7AUR", "channel_type": "channel", **thread, **said}
        self._post(slack_sent.callback(event), "application/json")

    def _interact(self, body: bytes) -> None:
        self._post(body, slack_sent.FORM)

    def _post(self, body: bytes, media_type: str) -> None:
        for n in range(2):  # with X-Slack-Retry-Num the second time
            headers = slack_sent.signed(body, sent_s=int(time.time()), secret=self._secret)
            headers |= {"content-type": media_type, **({"x-slack-retry-num": "1"} if n else {})}
            self._shop.post("/v1/messaging/ingress/slack/acme", body, headers)


class OnTeams:
    """A personal chat with the bot."""

    order = "1005"

    def __init__(self, shop: Shop, microsoft: teams.Microsoft) -> None:
        self._shop, self._microsoft, self._sent = shop, microsoft, 0

    def say(self, text: str) -> None:
        self._bring(text=text)

    def fill(self) -> None:
        hear(self, "What is it about?")
        cards = [each.activity["attachments"][0]["content"] for each in self._microsoft.posted if self._has_card(each)]
        reason = next(each for each in cards[-1]["body"] if each["id"] == "reason")
        filled = {"order": self.order, "reason": reason["choices"][1]["value"]}
        self._bring(text=None, value={**cards[-1]["actions"][0].get("data", {}), **filled})

    def send_photo(self) -> None:
        url = f"{self._microsoft.service}v3/attachments/a1/views/original"
        self._bring(text=None, attachments=[{"contentType": "image/*", "contentUrl": url}])

    def shown(self) -> Sequence[str]:
        return [each.activity["text"] for each in self._microsoft.posted if "text" in each.activity]

    @staticmethod
    def _has_card(sent: teams.Sent) -> bool:
        return any(each["contentType"] == teams.CARD for each in sent.activity.get("attachments", ()))

    def _bring(self, **said: Any) -> None:
        self._sent += 1
        now_s = int(time.time())
        bearer = speaking.token(speaking.claims(self._microsoft, nbf=now_s, exp=now_s + 3_600))
        body = json.dumps(speaking.activity(self._microsoft, id=str(1_785_000_000_000 + self._sent), **said)).encode()
        headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
        for _ in range(2):  # a platform may bring it twice
            self._shop.post("/v1/messaging/ingress/teams/acme", body, headers)


class OnMattermost:
    """A channel with an outgoing webhook, by the bot's name."""

    order = "1006"

    def __init__(self, shop: Shop, api: mattermost.Mattermost, token: str) -> None:
        self._shop, self._api, self._token, self._sent = shop, api, token, 0

    def say(self, text: str) -> None:
        self._bring({"text": f"@helper {text}"})

    def fill(self) -> None:
        hear(self, "Order")
        self.say(self.order)
        hear(self, "Reason")
        self.say("2")

    def send_photo(self) -> None:
        self._bring({"text": "@helper", "file_ids": mattermost.FILE})

    def shown(self) -> Sequence[str]:
        return [each["message"].replace("\\", "") for each in self._api.posted]

    def _bring(self, said: dict[str, Any]) -> None:
        self._sent += 1
        who = {"user_id": "rnina9994bde8mua79zqcg5hmo", "user_name": "ann", "trigger_word": "@helper"}
        where = {"team_id": "t1", "channel_id": "c1", "post_id": f"post{self._sent}"}
        body = json.dumps({"token": self._token, **who, **where, **said}).encode()
        for _ in range(2):
            self._shop.post("/v1/messaging/ingress/mattermost/acme", body, {"content-type": "application/json"})


class OnWebex:
    """A room with the bot alone."""

    order = "1006"

    def __init__(self, shop: Shop, space: webex.Webex) -> None:
        self._shop, self._space, self._sent = shop, space, 0

    def say(self, text: str) -> None:
        self._bring("messages", "messages", {"roomType": "direct", "text": text})

    def fill(self) -> None:
        hear(self, "What is it about?")
        shown = self._space.posted[-1]["attachments"][0]["content"]
        reason = next(each for each in shown["body"] if each["id"] == "reason")
        filled = {"order": self.order, "reason": reason["choices"][1]["value"]}
        self._space.said["messages/shown"] = {"id": "shown", "roomId": "room", "personId": "bot", "roomType": "direct"}
        inputs = {**shown["actions"][0].get("data", {}), **filled}
        pressed = {"type": "submit", "messageId": "shown", "inputs": inputs}
        self._bring("attachmentActions", "attachment/actions", pressed)

    def send_photo(self) -> None:
        photo = {"roomType": "direct", "files": [f"{self._space.url}/v1/contents/f1"]}
        self._bring("messages", "messages", photo)

    def shown(self) -> Sequence[str]:
        return [each["text"] for each in self._space.posted if "text" in each]

    def _bring(self, resource: str, path: str, said: dict[str, Any]) -> None:
        self._sent += 1
        who = {"id": f"said{self._sent}", "roomId": "room", "personId": "ann"}
        self._space.said[f"{path}/{who['id']}"] = {**who, **said}
        notice = {"resource": resource, "event": "created", "createdBy": "bot", "data": who}
        body = json.dumps(notice).encode()
        mark = hmac.new(webex.SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-webex-signature": f"sha256={mark}", "content-type": "application/json"}
        for _ in range(2):  # a platform may bring it twice
            self._shop.post("/v1/messaging/ingress/webex/acme", body, headers)


class OnWebChat:
    """The page of the shop, over plain Direct Line."""

    order = "1003"

    def __init__(self, shop: Shop) -> None:
        self._shop, self._sent = shop, 0
        self._path = "/v1/messaging/webchat/acme"
        token = self._asked("/token", {"user": {"id": "ann"}}, shop.key)["token"]
        begun = self._asked("/v3/directline/conversations", {}, token)
        self._token, self._conversation = begun["token"], begun["conversationId"]

    def say(self, text: str) -> None:
        self._bring({"text": text})

    def fill(self) -> None:
        hear(self, "What is it about?")
        self._bring({"text": "", "value": {"order": self.order, "reason": REASON}})

    def send_photo(self) -> None:
        url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        self._bring({"text": "here", "attachments": [{"contentType": "image/png", "contentUrl": url, "name": "a.png"}]})

    def shown(self) -> Sequence[str]:
        path = f"{self._path}/v3/directline/conversations/{self._conversation}/activities"
        headers = {"authorization": f"Bearer {self._token}"}
        try:
            page = httpx.get(f"{self._shop.url}{path}", headers=headers, timeout=PATIENCE_S).raise_for_status().json()
        except httpx.TransportError:
            return []
        return [a["text"] for a in page["activities"] if a["type"] == "message" and a["from"].get("role") == "bot"]

    def _bring(self, said: dict[str, Any]) -> None:
        self._sent += 1
        activity = {"type": "message", "id": f"a{self._sent}", "from": {"id": "ann"}, **said}
        path = f"/v3/directline/conversations/{self._conversation}/activities"
        for _ in range(2):
            self._asked(path, activity, self._token)

    def _asked(self, path: str, body: dict[str, Any], token: str) -> Any:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return self._shop.post(f"{self._path}{path}", json.dumps(body).encode(), headers).json()
