"""Microsoft Teams of one tenant: one bot, over the Bot Connector."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import quote, urlsplit

import msgspec
from msgspec.structs import replace

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, away, delivery_of, fields_of
from lichen.channels.platform.files import file_in
from lichen.channels.platform.parts import Parts
from lichen.channels.platform.reaching import refused, unreachable
from lichen.channels.port import (
    Arrival,
    ChannelSettings,
    FileRef,
    Guide,
    Inbound,
    Question,
    Reached,
    Reply,
    Setup,
    Wanted,
)
from lichen.channels.teams import consent, rendering
from lichen.channels.teams.clouds import CLOUDS, Cloud, CloudName, is_within, origin_of
from lichen.channels.teams.granting import grant_of
from lichen.channels.teams.ingress import (
    CARD_ACTION,
    Activity,
    Address,
    activity_of,
    address_of,
    conversation_of,
    inbound,
)
from lichen.channels.teams.proving import Claims, Entra, Proofs
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.speech.saying import Attachment
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

CHANNEL: Final = "msteams"
EMULATOR: Final = "emulator"
ATTACHMENTS: Final = "/v3/attachments/"
GREETED_MAX: Final = 1_000
CREDENTIALS_S: Final = 60.0
HEARD: Final = {"de": "Erhalten.", "es": "Recibido.", "fr": "Reçu.", "ja": "受け取りました。", "zh": "已收到。"}

Guid = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")]
GuidOrNone = Annotated[str, msgspec.Meta(pattern=r"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?\Z")]
_GUID: Final = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"


class TeamsSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.teams]` may say.

    `app_password` refers to the secret that the bot signs in with, in its `tenant_id` unless it is one for several.
    `team_id` and `channel_id` keep it to one team, or one channel, beside personal chats. `greeting` is said where the
    bot has just come to. Of `files` other than pictures there are links, or in personal chats offers to put them into
    the customer's OneDrive. Nothing goes to other hosts than those of the `cloud`, `service_hosts` and `file_hosts`.
    `entra_callers` are apps whose tokens of `tenant_id` prove requests, beside those of the Bot Connector. The two
    addresses stand in for the cloud's own.
    """

    app_id: Guid
    app_password: str = "secret:teams-app-password"
    tenant_id: GuidOrNone = ""
    cloud: CloudName = "public"
    team_id: str = ""
    channel_id: str = ""
    greeting: Annotated[str, msgspec.Meta(max_length=4_000)] = ""
    files: Literal["links", "offers"] = "links"
    service_hosts: tuple[str, ...] = ()
    file_hosts: tuple[str, ...] = ()
    entra_callers: tuple[Guid, ...] = ()
    login_base_url: str = ""
    openid_metadata_url: str = ""

    def __post_init__(self) -> None:
        if self.entra_callers and not self.tenant_id:
            raise ValueError("`entra_callers` are apps of a tenant: name it in `tenant_id`")


class TeamsChannel:
    """One bot."""

    settings = TeamsSettings
    guide = Guide(
        "Microsoft Teams",
        (
            Question("app_id", "Microsoft App ID", "Azure portal, your Azure Bot, Configuration.", pattern=_GUID),
            Question("app_password", "Client secret", "Same page, Manage Password: New client secret, its value.",
                     secret=True),
            Question("tenant_id", "App tenant ID", "Same page; leave it empty for a bot of several tenants.",
                     required=False, pattern=f"^$|{_GUID}"),
            Question("team_id", "Team", "The bot answers in this team only; empty for all.", required=False),
            Question("channel_id", "Channel", "The bot answers in this channel only; empty for all.", required=False),
            Question("greeting", "Greeting", "What the bot says where it has just been added.", required=False),
        ),
        (
            "Azure portal, your Azure Bot, Configuration: messaging endpoint {webhook}. Apply.",
            "Channels: add Microsoft Teams.",
            "Teams Developer Portal, your app, App features, Bot: enter the App ID; scopes personal, team, group chat.",
            "There too: check that it can upload and download files. Publish the app, or preview it in Teams.",
        ),
    )  # fmt: skip

    def __init__(self, setup: Setup[TeamsSettings]) -> None:
        self.name = setup.name or "teams"
        self.traits = Traits("doubles", setup.settings.in_doubt, forms="whole")
        said = self._settings = setup.settings
        self._host, self._cloud = setup.host, _cloud(said)
        callers = tuple(each.lower() for each in said.entra_callers)
        entra = Entra(said.tenant_id, callers) if callers else None
        self._proofs = Proofs(setup.host, self._cloud, said.app_id, entra)
        self._grant = grant_of(setup.host, self._cloud, said.tenant_id, said.app_id, said.app_password)
        self._apis: dict[str, Api] = {}
        self._parts = Parts()
        self._greeted: OrderedDict[str, None] = OrderedDict()

    # -- in ------------------------------------------------------------------------------------------------------

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular: the token proves Microsoft, and where answers go.

        Raises Denied as `Proofs.check`, and `service_url_unproven`, `address_denied`, `channel_other`, `tenant_other`;
        Invalid (`body_invalid`), Unavailable.
        """
        claims = await self._proofs.check(arrival.headers.get("authorization", ""), arrival.now_us)
        activity = activity_of(arrival)
        self._check_channel(claims, activity.channel_id)
        if not claims.is_entra and claims.service_url.rstrip("/") != activity.service_url.rstrip("/"):
            step = "Send an activity with the token that was made for it."
            raise Denied("The token names another service.", code="service_url_unproven", next_step=step)
        if not self._is_service(activity.service_url):
            raise _denied("The service that answers would go to is not Microsoft's.")
        if self._settings.tenant_id and activity.tenant.lower() != self._settings.tenant_id.lower():
            step = "Leave `tenant_id` empty for a bot of several tenants."
            raise Denied("This comes from another tenant of Entra.", code="tenant_other", next_step=step)
        return None

    def _check_channel(self, claims: Claims, channel_id: str) -> None:
        """Raises Denied (`channel_other`) for what did not come by Teams: elsewhere people may be anybody."""
        is_emulated = claims.is_entra and self._host.is_development and channel_id == EMULATOR
        if not is_emulated and (channel_id != CHANNEL or not claims.vouches_for(channel_id)):
            step = "Turn other channels of the Azure Bot off: whoever writes there is not proven to be who they say."
            raise Denied("This did not come by Teams.", code="channel_other", next_step=step)

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """The message in an activity. Raises Invalid (`body_invalid`, `text_invalid`)."""
        activity = activity_of(arrival)
        found = inbound(activity, self.name) if self._is_ours(activity) else None
        return () if found is None else (found,)

    def reply(self, scope: Scope, arrival: Arrival) -> Reply:
        """What a card that waits for an answer is told: that it was heard. Else nothing."""
        activity = activity_of(arrival)
        if activity.type != "invoke" or activity.name != CARD_ACTION:
            return Reply()
        words = HEARD.get((activity.locale or "").partition("-")[0], "Received.")
        told = {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": words}
        return Reply(msgspec.json.encode(told))

    async def follow(self, scope: Scope, arrival: Arrival) -> None:
        """Greets where the bot has just come to, and hands a file over that somebody accepted."""
        activity = activity_of(arrival)
        if activity.type == "invoke" and activity.name == consent.INVOKE:
            await self._hand_over(activity)
            return
        if not (activity.begins and self._settings.greeting and self._is_ours(activity)) or self._knows(activity.id):
            return
        to = msgspec.json.decode(address_of(activity), type=Address)
        await self._post(to, rendering.text(self._settings.greeting))

    async def _hand_over(self, activity: Activity) -> None:
        """Puts a file into somebody's OneDrive and shows it there; where that fails, links to it."""
        to = msgspec.json.decode(address_of(activity), type=Address)
        accepted = consent.accepted(activity, await self._secret())
        if accepted is None or self._knows(f"{to.to} {activity.id}"):
            return
        is_there = await self._uploaded(accepted)
        file = Attachment("application/octet-stream", accepted.offer.url, accepted.offer.name)
        shown = {"type": "message", "attachments": [accepted.info]} if is_there else rendering.link(file)
        await self._post(to, shown)

    async def _uploaded(self, accepted: consent.Accepted) -> bool:
        """Whether the file is at OneDrive now. Only what lies there is written to, without our token."""
        if not self._is_of_files(accepted.upload_url):
            raise _denied("The address that the file would go to is not Microsoft's.")
        offer = accepted.offer
        try:
            found = await Api(self._host, origin_of(offer.url)).ask("GET", offer.url, bytes_max=FILES_BYTES_MAX)
            if not found.is_ok or not found.body:
                return False
            size = len(found.body)
            ranged = {"Content-Range": f"bytes 0-{size - 1}/{size}"}
            api, kind = self._api(accepted.upload_url), "application/octet-stream"
            put = await api.ask("PUT", accepted.upload_url, content=found.body, media_type=kind, headers=ranged)
        except (NotSent, CutOff, Invalid):
            return False
        return put.is_ok

    async def fetch(self, scope: Scope, file: FileRef) -> bytes:
        """A file that a customer sent: what is at Teams with our token, what is at OneDrive without.

        Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable, Denied (`address_denied`).
        """
        is_service = self._is_service(file.ref) and ATTACHMENTS in file.ref
        if not is_service and not self._is_of_files(file.ref):
            raise _denied("The address of this file is not Microsoft's.")
        try:
            headers = {"Authorization": f"Bearer {await self._grant.token()}"} if is_service else {}
            answer = await self._api(file.ref).ask("GET", file.ref, headers=headers, bytes_max=FILES_BYTES_MAX)
        except (NotSent, CutOff):
            raise away("Teams") from None
        return file_in(answer, "Teams")

    def _is_ours(self, activity: Activity) -> bool:
        """Whether it was said in the team and channel that the settings name, or to the bot alone."""
        team, channel = self._settings.team_id, self._settings.channel_id
        if activity.is_personal:
            return True
        return (not team or activity.team == team) and (not channel or activity.channel == channel)

    def _knows(self, id: str) -> bool:
        """Whether this was greeted; from now on it was."""
        is_known = id in self._greeted
        self._greeted[id] = None
        if len(self._greeted) > GREETED_MAX:
            self._greeted.popitem(last=False)
        return is_known

    # -- out -----------------------------------------------------------------------------------------------------

    def render(self, message: Outbound) -> dict[str, Any]:
        """Everything that is posted, in order."""
        return {"activities": self._rendered(message)}

    def _rendered(self, message: Outbound) -> list[dict[str, Any]]:
        is_personal = message.address and msgspec.json.decode(message.address, type=Address).is_personal
        return rendering.rendered(message, offers=self._settings.files == "offers" and bool(is_personal))

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Posts each activity where the customer last wrote; to somebody who has no chat with us yet, in a new one."""
        address = msgspec.json.decode(message.address, type=Address)
        if not address.to:
            try:
                address = replace(address, to=await self._begun(address))
            except NotSent as refused:
                return refused.delivery
        return await self._parts.send(message, self._rendered(message), lambda part: self._post(address, part))

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """The chat with somebody alone, from the reference of where they wrote before: Microsoft names no other.

        Raises NotFound (`customer_unreachable`), Denied, Unavailable.
        """
        if not wanted.last:
            step = "Have them write to the bot, or mention it in a channel, once."
            raise unreachable("Teams says where somebody is only once they wrote to the bot.", step)
        known = msgspec.json.decode(wanted.last, type=Address)
        if not known.is_personal:
            try:
                known = replace(known, to=await self._begun(replace(known, to="")), is_personal=True)
            except NotSent as not_sent:
                raise refused("Teams", not_sent.delivery) from None
        return Reached(conversation_of(known.to), msgspec.json.encode(known))

    async def typing(self, scope: Scope, address: bytes) -> None:
        """Shows for some seconds that an answer is being written."""
        await self._post(msgspec.json.decode(address, type=Address), rendering.typing())

    async def check(self) -> str:
        """Signs in. Raises Denied (`credentials_refused`), Unavailable (`platform_unreachable`)."""
        try:
            await self._grant.token()
        except NotSent as refused:
            if refused.delivery.code != "credentials_refused":
                raise away("Microsoft's sign-in") from None
            step = "Give it the App ID, the tenant and a client secret that is good: `lichen channel update`."
            raise Denied(
                "Microsoft does not accept the bot's secret.", code="credentials_refused", next_step=step
            ) from None
        return f"Bot {self._settings.app_id} ({self._settings.tenant_id or 'of several tenants'})"

    async def _begun(self, address: Address) -> str:
        """A personal chat with somebody: the same one again where there is one. Raises NotSent."""
        tenant = {"tenant": {"id": address.tenant}}
        body: dict[str, Any] = {"bot": {"id": address.bot}, "members": [{"id": address.user}], "isGroup": False}
        body |= {"tenantId": address.tenant, "channelData": tenant} if address.tenant else {}
        try:
            answer = await self._asked(address.url, "v3/conversations", body)
        except CutOff:
            raise NotSent(Delivery("retry", "platform_unreachable")) from None
        id = fields_of(answer).get("id") if answer.is_ok else None
        if not isinstance(id, str):
            delivery = self._delivery(answer)
            raise NotSent(delivery if delivery.outcome in ("retry", "failed") else Delivery("retry", delivery.code))
        return id

    async def _post(self, address: Address, activity: dict[str, Any]) -> Delivery:
        if consent.is_offer(activity):
            activity = consent.signed(activity, await self._secret(), address.to)
        to = {"from": {"id": address.bot}, "conversation": {"id": address.to}, "recipient": {"id": address.user}}
        try:
            path = f"v3/conversations/{quote(address.to, safe='')}/activities"
            answer = await self._asked(address.url, path, {**activity, **to})
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        return self._delivery(answer)

    async def _secret(self) -> str:
        """What the bot signs in with, and offers of files are signed with."""
        return await self._host.secret(self._settings.app_password, urlsplit(self._cloud.login).hostname or "")

    async def _asked(self, url: str, path: str, body: dict[str, Any]) -> Answer:
        """Raises NotSent, CutOff."""
        if not self._is_service(url):
            raise NotSent(Delivery("failed", "address_denied"))
        headers = {"Authorization": f"Bearer {await self._grant.token()}"}
        return await self._api(url).ask("POST", f"{url.rstrip('/')}/{path}", json=body, headers=headers)

    def _delivery(self, answer: Answer) -> Delivery:
        """What became of an activity. A token that is refused is asked for anew."""
        if answer.status == 401:
            self._grant.forget()
            return Delivery("retry", "credentials_refused", CREDENTIALS_S)
        if answer.status == 412:
            return Delivery("retry", "platform_busy")
        return delivery_of(answer, self._host.now_us(), codes=_code)

    def _api(self, url: str) -> Api:
        """The API of a host that was looked at."""
        origin = origin_of(url)
        return self._apis.get(origin) or self._apis.setdefault(origin, Api(self._host, origin))

    def _is_service(self, url: str) -> bool:
        """Whether our token may go there."""
        hosts = (*self._cloud.services, *self._settings.service_hosts)
        return is_within(url, hosts, is_local=self._host.is_development)

    def _is_of_files(self, url: str) -> bool:
        """Whether files lie there."""
        hosts = (*self._cloud.files, *self._settings.file_hosts)
        return is_within(url, hosts, is_local=self._host.is_development)


CODES: Final = {
    "BotNotInConversationRoster": "not_a_member", "ConversationBlockedByUser": "blocked", "MessageWritesBlocked":
    "blocked", "ConversationNotFound": "conversation_gone", "MessageSizeTooBig": "message_too_large",
    "BadSyntax": "message_refused", "BadArgument": "message_refused", "ForbiddenOperationException": "blocked",
}  # fmt: skip


def _code(answer: Answer) -> str:
    """What Teams refuses a message for."""
    error = fields_of(answer).get("error")
    code = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else None
    return CODES.get(code, "") if isinstance(code, str) and 400 <= answer.status < 500 else ""


def _cloud(settings: TeamsSettings) -> Cloud:
    """The cloud, with what stands in for its addresses."""
    cloud = CLOUDS[settings.cloud]
    login, metadata = settings.login_base_url.rstrip("/"), settings.openid_metadata_url
    return replace(cloud, login=login or cloud.login, metadata=metadata or cloud.metadata)


def _denied(what: str) -> Denied:
    return Denied(what, code="address_denied", next_step="Name its host in `service_hosts` or `file_hosts` if it is.")
