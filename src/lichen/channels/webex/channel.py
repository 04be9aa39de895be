"""Webex of one tenant: one bot, over its REST API."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, cast

import msgspec

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, away, delivery_of, fields_of
from lichen.channels.platform.files import named_file
from lichen.channels.platform.parts import Parts
from lichen.channels.platform.reaching import check_customer
from lichen.channels.platform.signing import check_same, hmac_hex
from lichen.channels.port import (
    Arrival,
    ChannelSettings,
    Fetched,
    FileRef,
    Guide,
    Inbound,
    Pointed,
    Question,
    Reached,
    Setup,
    Wanted,
)
from lichen.channels.webex.ingress import Address, Said, conversation_of, direct, inbound, notice_of
from lichen.channels.webex.rendering import rendered
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

API: Final = "https://webexapis.com"
FOUND_MAX: Final = 256
CREDENTIALS_S: Final = 60.0
WEBHOOKS_MAX: Final = 100
RESOURCES: Final = ("messages", "attachmentActions")


class WebexSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.webex]` may say. `token` refers to the bot's access token, `webhook_secret` to what Webex
    signs with."""

    token: str = "secret:webex-token"
    webhook_secret: str = "secret:webex-webhook-secret"
    api_base_url: str = API


class WebexChannel:
    """One bot."""

    settings = WebexSettings
    guide = Guide(
        "Webex",
        (
            Question("token", "Bot access token", "developer.webex.com, My Webex Apps, Create a Bot.", secret=True),
            Question("webhook_secret", "Webhook secret", "Any words of yours, 16 or more.", secret=True,
                     pattern="^.{16,256}$"),
        ),
        ("Nothing is to be clicked: `lichen channel add` tells Webex to send to {webhook}.",),
    )  # fmt: skip

    def __init__(self, setup: Setup[WebexSettings]) -> None:
        self.name = setup.name or "webex"
        self.traits = Traits("doubles", setup.settings.in_doubt, forms="whole")
        self._settings, self._host = setup.settings, setup.host
        self._found: OrderedDict[str, Said] = OrderedDict()
        self._parts = Parts()
        self._made: Api | None = None

    # -- in ------------------------------------------------------------------------------------------------------

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular: the signature proves Webex, which is then asked what was said.

        Raises Denied (`signature_missing`, `signature_invalid`), Invalid (`body_invalid`, `message_gone`), Unavailable.
        """
        secret = await self._host.secret(self._settings.webhook_secret, self._api.hostname)
        _check_signed(arrival, secret)
        path = notice_of(arrival).path
        if path and path not in self._found:
            self._keep(path, await self._said(path))
        return None

    async def _said(self, path: str) -> Said:
        answer = await self._asked("GET", path)
        if answer.status in (404, 400):
            raise Invalid("Webex has no such message.", code="message_gone", place="$.data.id")
        if not answer.is_ok:
            raise away("Webex")
        said = _decoded(answer)
        if said.inputs is None or not said.message_id:
            return said
        card = await self._asked("GET", f"messages/{said.message_id}")  # says in which room and thread it is
        if not card.is_ok:
            raise away("Webex")
        shown = _decoded(card)
        return msgspec.structs.replace(said, room_type=shown.room_type, parent_id=shown.parent_id)

    def _keep(self, path: str, said: Said) -> None:
        self._found[path] = said
        if len(self._found) > FOUND_MAX:
            self._found.popitem(last=False)

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """What Webex said that was written or pressed. Raises Invalid (`body_invalid`), Unavailable where it was not
        asked."""
        notice = notice_of(arrival)
        if not notice.path:
            return ()
        said = self._found.get(notice.path)
        if said is None:
            raise away("Webex")
        return (inbound(said, self.name, notice.created_by),)

    async def fetch(self, scope: Scope, file: FileRef) -> Fetched:
        """A file that a customer sent, with its name.

        Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable.
        """
        try:
            answer = await self._api.ask("GET", file.ref, headers=await self._headers(), bytes_max=FILES_BYTES_MAX)
        except NotSent as refused:
            if refused.delivery.code == "address_invalid":
                raise Denied("The address of this file is not Webex's.", code="address_denied") from None
            raise away("Webex") from None
        except CutOff:
            raise away("Webex") from None
        return named_file(answer, "Webex")

    # -- out -----------------------------------------------------------------------------------------------------

    def render(self, message: Outbound) -> dict[str, Any]:
        """Everything that is posted, in order."""
        return {"messages": rendered(message)}

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Posts each message into the thread."""
        address = msgspec.json.decode(message.address, type=Address)
        to = {"roomId": address.room} if address.room else {"toPersonId": address.person}
        to |= {"parentId": address.thread} if address.thread else {}
        return await self._parts.send(message, rendered(message), lambda part: self._post({**to, **part}))

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """The room with somebody alone, which Webex makes with the first message. Raises Invalid
        (`customer_invalid`)."""
        who = check_customer(wanted.customer, r"[A-Za-z0-9_=-]{16,112}", "webex:Y2lzY29zcGFyazovL3VzL1BFT1BMRS8x")
        return Reached(conversation_of(direct(who)), msgspec.json.encode(Address("", "", who)))

    async def _post(self, body: dict[str, Any]) -> Delivery:
        try:
            answer = await self._api.ask("POST", "v1/messages", json=body, headers=await self._headers())
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        if answer.status == 401:
            return Delivery("retry", "credentials_refused", CREDENTIALS_S)
        return delivery_of(answer, self._host.now_us())

    # -- set up --------------------------------------------------------------------------------------------------

    async def check(self) -> str:
        """Which bot this is. Raises Denied (`credentials_refused`), Unavailable (`platform_unreachable`)."""
        me = fields_of(await self._done("GET", "people/me"))
        return f"{me.get('displayName', '')} ({', '.join(me.get('emails', ()))})"

    async def register(self, webhook: str) -> str:
        """Has Webex send messages and presses there, and nowhere else for us. Raises Denied, Unavailable."""
        await self.unregister()
        secret = await self._host.secret(self._settings.webhook_secret, self._api.hostname)
        for resource in RESOURCES:
            said = {"name": self._mark, "targetUrl": webhook, "resource": resource, "event": "created"}
            await self._done("POST", "webhooks", {**said, "secret": secret})
        return f"Webex sends to {webhook}."

    async def unregister(self) -> str:
        """Has Webex send nowhere for us. Raises Denied, Unavailable."""
        for each in await self._webhooks():
            if each.get("name") == self._mark and isinstance(each.get("id"), str):
                await self._done("DELETE", f"webhooks/{each['id']}")
        return "Webex sends nowhere any more."

    async def pointed(self) -> Pointed:
        """Where Webex sends for us, and which of our webhooks it switched off or lacks. Raises Denied, Unavailable."""
        own = [each for each in await self._webhooks() if each.get("name") == self._mark]
        off = {str(each.get("resource")) for each in own if each.get("status") == "inactive"}
        there = {str(each.get("resource")) for each in own}
        trouble = [f"its webhook for {each} is switched off" for each in sorted(off)]
        trouble += [f"it has no webhook for {each}" for each in RESOURCES if own and each not in there]
        urls = dict.fromkeys(str(each.get("targetUrl")) for each in own)
        return Pointed(tuple(urls), tuple(trouble))

    async def _webhooks(self) -> list[dict[str, Any]]:
        listed: Any = fields_of(await self._done("GET", f"webhooks?max={WEBHOOKS_MAX}")).get("items")
        found = cast("list[Any]", listed) if isinstance(listed, list) else []
        return [each for each in found if isinstance(each, dict)]

    @property
    def _mark(self) -> str:
        """What our webhooks are called there."""
        return f"lichen {self.name}"

    @property
    def _api(self) -> Api:
        self._made = self._made or Api(self._host, self._settings.api_base_url)
        return self._made

    async def _done(self, method: str, path: str, json: Any = None) -> Answer:
        answer = await self._asked(method, path, json)
        if answer.status in (401, 403):
            step = "Give it the bot's access token: `lichen channel update`."
            raise Denied("Webex does not accept the token.", code="credentials_refused", next_step=step)
        if not answer.is_ok:
            raise away("Webex")
        return answer

    async def _asked(self, method: str, path: str, json: Any = None) -> Answer:
        try:
            return await self._api.ask(method, f"v1/{path}", json=json, headers=await self._headers())
        except (NotSent, CutOff):
            raise away("Webex") from None

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._host.secret(self._settings.token, self._api.hostname)}"}


def _check_signed(arrival: Arrival, secret: str) -> None:
    """Raises Denied (`signature_missing`, `signature_invalid`): the newer proof counts where both are there."""
    newer, older = arrival.headers.get("x-webex-signature", ""), arrival.headers.get("x-spark-signature", "")
    if newer:
        check_same(newer.removeprefix("sha256="), hmac_hex(secret, arrival.body))
    elif older:
        check_same(older, hmac_hex(secret, arrival.body, digest="sha1"))
    else:
        step = "Have Webex sign: `lichen channel update`."
        raise Denied("The request has no proof.", code="signature_missing", next_step=step)


def _decoded(answer: Answer) -> Said:
    try:
        return msgspec.json.decode(answer.body, type=Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid("Webex said what nobody can read.", code="body_invalid", place="$.data.id") from None
