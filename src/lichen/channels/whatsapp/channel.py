"""WhatsApp of one tenant: one number of a business, over Meta's Cloud API."""

from __future__ import annotations

from typing import Annotated, Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, away, delivery_of, fields_of
from lichen.channels.platform.files import check_there, file_in, gone
from lichen.channels.platform.parts import Parts
from lichen.channels.platform.reaching import check_customer, window_closed
from lichen.channels.platform.signing import check_same, hmac_hex
from lichen.channels.port import (
    Arrival,
    ChannelSettings,
    FileRef,
    Guide,
    Inbound,
    Question,
    Reached,
    Reply,
    Report,
    Setup,
    Wanted,
)
from lichen.channels.whatsapp.ingress import Address, messages, reports
from lichen.channels.whatsapp.rendering import rendered, template
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.words.errors import Denied
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

API: Final = "https://graph.facebook.com"
MEDIA_HOSTS: Final = ("lookaside.fbsbx.com", ".fbsbx.com", ".fbcdn.net", ".whatsapp.net")
WINDOW_S: Final = 24 * 3600
CHALLENGE_MAX: Final = 256
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{0,512}\Z")]


class WhatsAppSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.whatsapp]` may say. `token`, `verify_token` and `app_secret` refer to secrets. `template`
    names the one that bears a message when a customer last wrote more than 24 hours ago; without it that message is
    undeliverable."""

    phone_number_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,32}\Z")]
    token: str = "secret:whatsapp-token"
    verify_token: str = "secret:whatsapp-verify-token"
    app_secret: str = "secret:whatsapp-app-secret"
    api_base_url: str = API
    api_version: Annotated[str, msgspec.Meta(pattern=r"^v[0-9]{1,3}\.[0-9]\Z")] = "v23.0"
    template: Name = ""
    template_language: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_]{2,10}\Z")] = "en"


class WhatsAppChannel:
    """One number."""

    settings = WhatsAppSettings
    guide = Guide(
        "WhatsApp",
        (
            Question("phone_number_id", "Phone number ID", "Meta for Developers, your app, WhatsApp, API Setup.",
                     pattern="^[0-9]{1,32}$"),
            Question("token", "Access token", "Of a system user with whatsapp_business_messaging.", secret=True),
            Question("app_secret", "App secret", "Meta for Developers, your app, App settings, Basic.", secret=True),
            Question("verify_token", "Verify token", "Any words of yours; Meta repeats them once.", secret=True),
            Question("template", "Template for later than 24 hours", "With one variable in its body.", required=False,
                     pattern="^[a-z0-9_]{0,512}$"),
            Question("api_version", "Version of the Graph API", required=False, default="v23.0",
                     pattern="^v[0-9]{1,3}\\.[0-9]$"),
        ),
        (
            "Meta for Developers, your app, WhatsApp, Configuration, Webhook, Edit: callback URL {webhook}.",
            "Verify token: the words that you gave here. Verify and save.",
            "Webhook fields, Manage: subscribe to `messages`.",
        ),
    )  # fmt: skip

    def __init__(self, setup: Setup[WhatsAppSettings]) -> None:
        self.name = setup.name or "whatsapp"
        self.traits = Traits("doubles", setup.settings.in_doubt, forms="steps")
        self._settings, self._host = setup.settings, setup.host
        self._made: Api | None = None
        self._parts = Parts()

    # -- in ------------------------------------------------------------------------------------------------------

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular: of a notification the signature proves Meta, of a subscription the words we gave it.

        Raises Denied (`signature_missing`, `signature_invalid`), Unavailable.
        """
        host = urlsplit(self._settings.api_base_url).hostname or ""
        if arrival.method == "GET":
            expected = await self._host.secret(self._settings.verify_token, host)
            check_same(_given(arrival.query.get("hub.verify_token", "")), expected)
            return None
        secret = await self._host.secret(self._settings.app_secret, host)
        given = _given(arrival.headers.get("x-hub-signature-256", ""))
        check_same(given, f"sha256={hmac_hex(secret, arrival.body)}")
        return None

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """Every message in a notification to this number. Raises Invalid (`body_invalid`)."""
        if arrival.method == "GET":
            return ()
        return tuple(messages(arrival, self.name, self._settings.phone_number_id))

    def reports(self, scope: Scope, arrival: Arrival) -> tuple[Report, ...]:
        """What became of messages that were sent."""
        return () if arrival.method == "GET" else tuple(reports(arrival, self._settings.phone_number_id))

    def reply(self, scope: Scope, arrival: Arrival) -> Reply:
        """The challenge of a subscription, repeated; else nothing."""
        challenge = arrival.query.get("hub.challenge", "") if arrival.method == "GET" else ""
        return Reply(challenge[:CHALLENGE_MAX].encode(), "text/plain")

    async def fetch(self, scope: Scope, file: FileRef) -> bytes:
        """A file that a customer sent: its address is asked for, and then the file there.

        Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable, Denied (`address_denied`).
        """
        told = await self._asked("GET", f"{self._settings.api_version}/{file.ref}")
        check_there(told, "WhatsApp")
        url = fields_of(told).get("url")
        if not isinstance(url, str):
            raise gone("WhatsApp")
        answer = await self._asked("GET", url, api=self._where(url), bytes_max=FILES_BYTES_MAX)
        return file_in(answer, "WhatsApp")

    def _where(self, url: str) -> Api:
        """The API of the host that a file lies on, which must be Meta's. Raises Denied (`address_denied`)."""
        parts, base = urlsplit(url), urlsplit(self._settings.api_base_url)
        if (parts.scheme, parts.netloc) == (base.scheme, base.netloc):
            return self._api
        host = parts.hostname or ""
        if not any(host == each or (each[0] == "." and host.endswith(each)) for each in MEDIA_HOSTS):
            raise Denied("The address of this file is not Meta's: no token goes there.", code="address_denied")
        return Api(self._host, f"https://{host}")

    # -- out -----------------------------------------------------------------------------------------------------

    def render(self, message: Outbound) -> dict[str, Any]:
        """Everything that is posted, in order."""
        return {"messages": rendered(message)}

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Posts each part. Later than 24 hours after the customer's last words only a template may be sent."""
        address = msgspec.json.decode(message.address, type=Address)
        parts = rendered(message)
        if self._is_late(address):
            if not self._settings.template:
                return Delivery("failed", "window_closed")
            parts = template(message, self._settings.template, self._settings.template_language)
        head = _head(message, address)
        return await self._parts.send(message, parts, lambda part: self._post({**head, **part}))

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """Their number. Who did not write for 24 hours, or never, gets the template.

        Raises Invalid (`customer_invalid`), Conflict (`window_closed`) where no template is named.
        """
        who = check_customer(wanted.customer, r"[1-9][0-9]{5,14}", "whatsapp:4917012345")
        address = wanted.last or msgspec.json.encode(Address(who, 0))
        self.check_address(scope, address)
        return Reached(f"{self._settings.phone_number_id}:{who}", address)

    def check_address(self, scope: Scope, address: bytes) -> None:
        """Raises Conflict (`window_closed`): later than 24 hours after somebody's words Meta takes templates alone."""
        if self._is_late(msgspec.json.decode(address, type=Address)) and not self._settings.template:
            step = "Have a template approved by Meta and name it: `lichen channel update` asks for it."
            raise window_closed("They did not write in the last 24 hours, and no template is named.", step)

    def _is_late(self, address: Address) -> bool:
        return self._host.now_us() // 1_000_000 - address.at > WINDOW_S

    async def typing(self, scope: Scope, address: bytes) -> None:
        """Marks the message as read, and shows that an answer is being written."""
        about = msgspec.json.decode(address, type=Address).about
        shown = {"status": "read", "message_id": about, "typing_indicator": {"type": "text"}}
        await self._post({"messaging_product": "whatsapp", **shown})

    async def check(self) -> str:
        """Which number this is. Raises Denied (`credentials_refused`), Unavailable (`platform_unreachable`)."""
        number = self._settings.phone_number_id
        asked = f"{self._settings.api_version}/{number}?fields=display_phone_number,verified_name"
        answer = await self._asked("GET", asked)
        if not answer.is_ok:
            step = "Give it the phone number ID and a token that may use it: `lichen channel update`."
            raise Denied(
                "WhatsApp does not accept the token for this number.", code="credentials_refused", next_step=step
            )
        said = answer.json()
        return f"{said.get('display_phone_number', number)} ({said.get('verified_name', '')})"

    @property
    def _api(self) -> Api:
        self._made = self._made or Api(self._host, self._settings.api_base_url)
        return self._made

    async def _post(self, body: dict[str, Any]) -> Delivery:
        try:
            headers = await self._headers(self._api)
            path = f"{self._settings.api_version}/{self._settings.phone_number_id}/messages"
            answer = await self._api.ask("POST", path, json=body, headers=headers)
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        return _delivery(answer, self._host.now_us())

    async def _asked(self, method: str, path: str, *, api: Api | None = None, bytes_max: int = 65_536) -> Answer:
        api = api or self._api
        try:
            return await api.ask(method, path, headers=await self._headers(api), bytes_max=bytes_max)
        except (NotSent, CutOff):
            raise away("WhatsApp") from None

    async def _headers(self, api: Api) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._host.secret(self._settings.token, api.hostname)}"}


def _given(proof: str) -> str:
    """The proof of a request. Raises Denied (`signature_missing`)."""
    if not proof:
        raise Denied("The request has no proof.", code="signature_missing", next_step="Send it as Meta does.")
    return proof


def _head(message: Outbound, address: Address) -> dict[str, Any]:
    mark = f"{message.session}/{message.id}"
    who = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": address.to}
    return {**who, "biz_opaque_callback_data": mark}


# -- what an answer means ----------------------------------------------------------------------------------------

PAUSES_S: Final = {4: 60.0, 80007: 60.0, 130429: 30.0, 131048: 300.0, 131056: 6.0, 131057: 600.0}
"""Codes of too much in a short time, and how long to wait: an account's, a number's, a pair's."""
CODES: Final = {
    131047: "window_closed", 131026: "undeliverable", 131051: "message_unsupported", 100: "message_refused",
    131009: "message_refused", 132001: "template_unknown", 132000: "template_refused", 131031: "account_locked",
}  # fmt: skip
CREDENTIALS: Final = frozenset({0, 3, 10, 190, *range(200, 300)})
CREDENTIALS_S: Final = 60.0


def _delivery(answer: Answer, now_us: int) -> Delivery:
    """What became of a message, by the code in the answer where there is one."""
    error = fields_of(answer).get("error") if 400 <= answer.status < 500 else None
    code = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else None
    if not isinstance(code, int):
        return delivery_of(answer, now_us)
    if code in PAUSES_S:
        return Delivery("retry", "platform_busy", PAUSES_S[code])
    if code in CREDENTIALS:
        return Delivery("retry", "credentials_refused", CREDENTIALS_S)
    return Delivery("failed", CODES.get(code, f"whatsapp_{code}"))
