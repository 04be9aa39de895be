"""Telegram of one tenant: one bot, over the Bot API."""

from __future__ import annotations

from typing import Annotated, Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, away, delivery_of, fields_of
from lichen.channels.platform.files import check_there, file_in, gone
from lichen.channels.platform.parts import Parts
from lichen.channels.platform.reaching import check_customer, unreachable
from lichen.channels.platform.signing import check_same
from lichen.channels.port import (
    Arrival,
    ChannelSettings,
    FileRef,
    Guide,
    Inbound,
    Pointed,
    Question,
    Reached,
    Reply,
    Setup,
    Wanted,
)
from lichen.channels.telegram.ingress import Address, inbound, update_of
from lichen.channels.telegram.rendering import rendered
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

API: Final = "https://api.telegram.org"
UPDATES: Final = ("message", "callback_query")
CREDENTIALS_S: Final = 60.0
TROUBLE_S: Final = 3_600  # what went wrong before is over


class TelegramSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.telegram]` may say. `token` and `webhook_secret` refer to secrets. With the bot's `username`
    it listens in groups to those who speak to it; without it to whatever Telegram brings."""

    token: str = "secret:telegram-token"
    webhook_secret: str = "secret:telegram-webhook-secret"
    username: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]{0,32}\Z")] = ""
    api_base_url: str = API


class TelegramChannel:
    """One bot."""

    settings = TelegramSettings
    guide = Guide(
        "Telegram",
        (
            Question("token", "Bot token", "Write to @BotFather: /newbot, or /mybots and API Token.", secret=True,
                     pattern="^[0-9]{3,20}:[A-Za-z0-9_-]{20,64}$"),
            Question("webhook_secret", "Webhook secret", "Letters, digits, _ and - of yours.",
                     secret=True, pattern="^[A-Za-z0-9_-]{16,256}$"),
            Question("username", "The bot's username", "Without @; for groups.", required=False,
                     pattern="^[A-Za-z0-9_]{0,32}$"),
        ),
        ("Nothing is to be clicked: `lichen channel add` tells Telegram to send to {webhook}.",),
    )  # fmt: skip

    def __init__(self, setup: Setup[TelegramSettings]) -> None:
        self.name = setup.name or "telegram"
        self.traits = Traits("doubles", setup.settings.in_doubt, forms="steps")
        self._settings, self._host = setup.settings, setup.host
        self._parts = Parts()
        self._made: Api | None = None

    # -- in ------------------------------------------------------------------------------------------------------

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular: the secret token proves Telegram. Raises Denied (`signature_missing`,
        `signature_invalid`), Unavailable."""
        expected = await self._host.secret(self._settings.webhook_secret, urlsplit(self._settings.api_base_url).netloc)
        given = arrival.headers.get("x-telegram-bot-api-secret-token", "")
        if not given:
            step = "Have Telegram send it: `lichen channel update`."
            raise Denied("The request has no secret token.", code="signature_missing", next_step=step)
        check_same(given, expected)
        return None

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """The message in an update, or the press of a button. Raises Invalid (`body_invalid`)."""
        found = inbound(update_of(arrival), self.name, self._settings.username)
        return () if found is None else (found,)

    def reply(self, scope: Scope, arrival: Arrival) -> Reply:
        """That the update is there."""
        return Reply()

    async def follow(self, scope: Scope, arrival: Arrival) -> None:
        """Tells Telegram that a press was heard, so that the button stops waiting."""
        callback = update_of(arrival).callback_query
        if callback is not None:
            await self._call("answerCallbackQuery", {"callback_query_id": callback.id})

    async def fetch(self, scope: Scope, file: FileRef) -> bytes:
        """A file that a customer sent. Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable."""
        told, _ = await self._call("getFile", {"file_id": file.ref})
        if told is None:
            raise away("Telegram")
        check_there(told, "Telegram")
        path = _result(told).get("file_path")
        if not isinstance(path, str) or ".." in path:
            raise gone("Telegram")
        token = await self._token()
        try:
            answer = await self._api.ask("GET", f"file/bot{token}/{path}", bytes_max=FILES_BYTES_MAX)
        except (NotSent, CutOff):
            raise away("Telegram") from None
        return file_in(answer, "Telegram")

    # -- out -----------------------------------------------------------------------------------------------------

    def render(self, message: Outbound) -> dict[str, Any]:
        """Everything that is called, in order."""
        return {"messages": rendered(message)}

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Makes each call. A group that became another one is written to there."""
        address = msgspec.json.decode(message.address, type=Address)
        return await self._parts.send(message, rendered(message), lambda part: self._part(part, address))

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """The chat with somebody alone, once they wrote somewhere: Telegram lets bots write to nobody else.

        Raises Invalid (`customer_invalid`), NotFound (`customer_unreachable`).
        """
        who = check_customer(wanted.customer, r"[1-9][0-9]{0,15}", "telegram:77")
        if not wanted.last:
            step = f"Let them write to the bot first: https://t.me/{self._settings.username}"
            raise unreachable("Telegram lets a bot write to nobody who did not write before.", step.rstrip("/"))
        return Reached(who, msgspec.json.encode(Address(int(who), 0, 0)))

    async def _part(self, part: dict[str, Any], address: Address) -> Delivery:
        method = part["method"]
        body = {**_to(address), **{name: value for name, value in part.items() if name != "method"}}
        answer, delivery = await self._call(method, body)
        moved = _parameters(answer).get("migrate_to_chat_id") if answer is not None else None
        if isinstance(moved, int) and moved != address.chat:
            _, delivery = await self._call(method, {**body, "chat_id": moved})
        return delivery

    async def typing(self, scope: Scope, address: bytes) -> None:
        """Shows for some seconds that an answer is being written."""
        await self._call("sendChatAction", {**_to(msgspec.json.decode(address, type=Address)), "action": "typing"})

    # -- set up --------------------------------------------------------------------------------------------------

    async def register(self, webhook: str) -> str:
        """Has Telegram send messages and presses there, with the secret. Raises Denied, Unavailable."""
        secret = await self._host.secret(self._settings.webhook_secret, self._api.hostname)
        await self._asked("setWebhook", {"url": webhook, "secret_token": secret, "allowed_updates": list(UPDATES)})
        return f"Telegram sends to {webhook}."

    async def unregister(self) -> str:
        """Has Telegram send nowhere. Raises Denied, Unavailable."""
        await self._asked("deleteWebhook", {})
        return "Telegram sends nowhere any more."

    async def check(self) -> str:
        """Which bot this is, and where Telegram sends. Raises Denied (`credentials_refused`), Unavailable."""
        me = _result(await self._asked("getMe", {}))
        hook = _result(await self._asked("getWebhookInfo", {}))
        return f"@{me.get('username', '')}, sends to {hook.get('url') or 'nowhere'}"

    async def pointed(self) -> Pointed:
        """Where Telegram sends, and what went wrong with that in the last hour. Raises as `check`."""
        hook = _result(await self._asked("getWebhookInfo", {}))
        url, at_s = hook.get("url"), hook.get("last_error_date")
        trouble: list[str] = []
        if isinstance(at_s, int) and self._host.now_us() / 1e6 - at_s < TROUBLE_S:
            trouble.append(str(hook.get("last_error_message", "")))
        allowed: Any = hook.get("allowed_updates")
        if isinstance(allowed, list) and allowed and (lacks := set(UPDATES) - set(cast("list[Any]", allowed))):
            trouble.append(f"it sends no {', '.join(sorted(lacks))}")
        return Pointed((url,) if isinstance(url, str) and url else (), tuple(filter(None, trouble)))

    # -- calls ---------------------------------------------------------------------------------------------------

    @property
    def _api(self) -> Api:
        self._made = self._made or Api(self._host, self._settings.api_base_url)
        return self._made

    async def _token(self) -> str:
        return await self._host.secret(self._settings.token, self._api.hostname)

    async def _call(self, method: str, body: dict[str, Any]) -> tuple[Answer | None, Delivery]:
        """The answer to a call, None where it did not come, and what became of the call."""
        try:
            answer = await self._api.ask("POST", f"bot{await self._token()}/{method}", json=body)
        except NotSent as refused:
            return None, refused.delivery
        except CutOff:
            return None, Delivery("unknown", "cut_off")
        return answer, _delivery(answer, self._host.now_us())

    async def _asked(self, method: str, body: dict[str, Any]) -> Answer:
        """The answer to a call that is no message. Raises Denied (`credentials_refused`), Invalid
        (`platform_refused`), Unavailable (`platform_unreachable`)."""
        answer, _ = await self._call(method, body)
        if answer is None or answer.status >= 500:
            raise away("Telegram")
        if answer.status in (401, 404):
            step = "Give it the token that @BotFather shows: `lichen channel update`."
            raise Denied("Telegram does not accept the token.", code="credentials_refused", next_step=step)
        if not answer.is_ok:
            said = str(fields_of(answer).get("description", ""))[:200]
            raise Invalid(f"Telegram refuses {method}: {said}", code="platform_refused")
        return answer


def _to(address: Address) -> dict[str, Any]:
    thread = {"message_thread_id": address.thread} if address.thread else {}
    about = {"reply_parameters": {"message_id": address.about, "allow_sending_without_reply": True}}
    return {"chat_id": address.chat, **thread, **(about if address.about else {})}


def _result(answer: Answer) -> dict[str, Any]:
    found = fields_of(answer).get("result")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _parameters(answer: Answer) -> dict[str, Any]:
    found = fields_of(answer).get("parameters")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _delivery(answer: Answer, now_us: int) -> Delivery:
    """What became of a message, by what Telegram says of it."""
    pause_s = _parameters(answer).get("retry_after")
    match answer.status:
        case 429 if isinstance(pause_s, int):
            return Delivery("retry", "platform_busy", float(min(max(pause_s, 1), 3_600)))
        case 401 | 404:
            return Delivery("retry", "credentials_refused", CREDENTIALS_S)
        case 403:
            return Delivery("failed", "recipient_refused")  # the customer blocked the bot, or left
        case _:
            return delivery_of(answer, now_us)
