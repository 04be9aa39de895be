"""Slack of one tenant: one app, installed in a workspace or an organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, away, fields_of
from lichen.channels.platform.parts import Parts
from lichen.channels.platform.reaching import check_customer, refused, unreachable
from lichen.channels.platform.signing import check_recent, check_same, hmac_hex
from lichen.channels.port import (
    Arrival,
    ChannelSettings,
    Fetched,
    FileRef,
    Guide,
    Inbound,
    Question,
    Reached,
    Reply,
    Setup,
    Wanted,
)
from lichen.channels.slack import ingress
from lichen.channels.slack.files import fetched
from lichen.channels.slack.forms import PRIVATE_MAX, view
from lichen.channels.slack.history import Mark, Seen, seen
from lichen.channels.slack.outcomes import delivery, error_of
from lichen.channels.slack.places import Address, Place
from lichen.channels.slack.pressing import fields_of as form_of
from lichen.channels.slack.rendering import rendered
from lichen.channels.slack.uploading import Upload, Uploader
from lichen.core.words.errors import Denied
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

API: Final = "https://slack.com"
CHALLENGE_MAX: Final = 1_024
PAGES_MAX, PAGE = 3, 100
SCOPES: Final = frozenset({"chat:write"})


class SlackSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.slack]` may say. `bot_token` and `signing_secret` refer to secrets. `workspace` is the only
    one that is listened to (T…, or E… of an organization); `listen`, what of channels with several people is for the
    agent; `commands`, who sees the answers to slash commands; `files`, whether ours are links or uploaded;
    `default_channel`, where messages go that answer nobody."""

    bot_token: str = "secret:slack-bot-token"
    signing_secret: str = "secret:slack-signing-secret"
    workspace: Annotated[str, msgspec.Meta(pattern=r"^([TE][A-Z0-9]{1,31})?\Z")] = ""
    listen: ingress.Listen = "mentions"
    commands: Literal["ephemeral", "channel"] = "ephemeral"
    files: Literal["link", "upload"] = "link"
    default_channel: Annotated[str, msgspec.Meta(pattern=r"^([A-Z0-9]{1,32})?\Z")] = ""
    api_base_url: str = API


class SlackChannel:
    """One app."""

    settings = SlackSettings
    guide = Guide(
        "Slack",
        (
            Question("bot_token", "Bot User OAuth Token", "api.slack.com/apps, your app, OAuth & Permissions.",
                     secret=True, pattern="^xoxb-.+$"),
            Question("signing_secret", "Signing Secret", "api.slack.com/apps, your app, Basic Information.",
                     secret=True, pattern="^[0-9a-f]{16,64}$"),
            Question("workspace", "Workspace", "Its id, T…; only it is listened to.", required=False,
                     pattern="^([TE][A-Z0-9]{1,31})?$"),
            Question("listen", "What is for the agent in channels", "mentions, threads or all", required=False,
                     default="mentions", pattern="^(mentions|threads|all)$"),
            Question("default_channel", "Channel for messages that answer nobody", "Its id, C….", required=False,
                     pattern="^([A-Z0-9]{1,32})?$"),
            Question("api_base_url", "Address of Slack's API", required=False, default=API, pattern="^https://.+$"),
        ),
        (
            "api.slack.com/apps, your app, OAuth & Permissions, Scopes, Bot Token Scopes: add those of the next line.",
            "`chat:write`, `app_mentions:read`, `im:history`, `channels:history`, `files:read`. Install to Workspace.",
            "Event Subscriptions: Enable Events, Request URL {webhook}.",
            "Subscribe to bot events: `app_mention`, `message.im`; `message.channels` if it listens to `threads`.",
            "Interactivity & Shortcuts: on, Request URL {webhook}.",
            "Slash Commands, if you want one: Request URL {webhook}.",
            "If people are to be written to who did not write: scope `im:write` as well.",
            "App Home, Messages Tab: let users send messages from it.",
        ),
    )  # fmt: skip

    def __init__(self, setup: Setup[SlackSettings]) -> None:
        says = setup.settings
        self.name = setup.name or "slack"
        self.traits = Traits("asks", says.in_doubt, forms="whole")
        self._settings, self._host = says, setup.host
        self._reading = ingress.Reading(self.name, says.workspace, says.listen, says.commands == "ephemeral")
        self._made: Api | None = None
        self._parts = Parts()

    # -- in ------------------------------------------------------------------------------------------------------

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular: the signature proves Slack, which names who wrote.

        Raises Denied (`signature_missing`, `signature_invalid`, `signature_expired`), Unavailable.
        """
        sent, given = _proof(arrival, "x-slack-request-timestamp"), _proof(arrival, "x-slack-signature")
        secret = await self._host.secret(self._settings.signing_secret, self._hostname)
        signed = hmac_hex(secret, b"v0:", sent.encode("utf-8", "surrogateescape"), b":", arrival.body)
        check_same(given, f"v0={signed}")
        check_recent(sent, arrival.now_us)
        return None

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """What somebody says. Raises Invalid (`body_invalid`)."""
        return ingress.messages(arrival, self._reading)

    def reply(self, scope: Scope, arrival: Arrival) -> Reply:
        """The challenge of a verification, repeated; else nothing, which closes a form and leaves a command unseen."""
        match ingress.request(arrival):
            case ingress.Event(type="url_verification", challenge=challenge):
                return Reply(challenge[:CHALLENGE_MAX].encode(), "text/plain")
            case _:
                return Reply(b"", "text/plain")

    async def follow(self, scope: Scope, arrival: Arrival) -> None:
        """Opens the form of a button that was pressed, while Slack still allows it: three seconds."""
        pressed = ingress.request(arrival)
        found = ingress.opening(pressed) if isinstance(pressed, ingress.Interaction) else None
        if found is None or not isinstance(pressed, ingress.Interaction):
            return
        button, private = found
        bears = msgspec.json.encode(private).decode()
        if len(bears) > PRIVATE_MAX:
            bears = msgspec.json.encode(msgspec.structs.replace(private, data=None)).decode()
        modal = view(button.title, button.title, form_of(button), bears)
        answer = await self._asked("views.open", {"trigger_id": pressed.trigger_id, "view": modal})
        if code := error_of(answer):
            raise Denied(f"Slack did not open a form: {code}.", code="form_refused")

    async def fetch(self, scope: Scope, file: FileRef) -> Fetched:
        """A file that a customer sent, from Slack's hosts alone.

        Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable, Denied (`address_denied`).
        """
        return await fetched(file, self._host, self._api, self._headers)

    # -- out -----------------------------------------------------------------------------------------------------

    def render(self, message: Outbound) -> dict[str, Any]:
        """Everything that is posted, in order."""
        return {"messages": rendered(message, uploads=self._settings.files == "upload")}

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Posts each part, with a mark by which it is found again."""
        address = self._address(message)
        if address is None:
            return Delivery("failed", "address_missing")
        parts = rendered(message, uploads=self._settings.files == "upload" and not address.only)
        posts = [_post(part, address, Mark.of(message, n, len(parts))) for n, part in enumerate(parts)]
        return await self._parts.send(message, posts, self._posted)

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether the message stands in its thread. None where only some of its parts do, or nobody can look: of what
        one person alone sees there is no history."""
        address = self._address(message)
        if address is None or address.only:
            return None
        found, cursor = Seen(), ""
        for _ in range(PAGES_MAX):
            answer = await self._asked(*_history(address, message.queued_at_us, cursor))
            if error_of(answer):
                return None
            found, cursor = seen(found, fields_of(answer), message)
            if not cursor:
                return found.is_whole
        return True if found.is_whole else None

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """The direct messages with somebody, `T…:U…`, which Slack opens, or finds.

        Raises Invalid (`customer_invalid`), NotFound (`customer_unreachable`), Denied, Unavailable.
        """
        who = check_customer(wanted.customer, r"[TE][A-Z0-9]{1,31}:[UW][A-Z0-9]{1,31}", "slack:T024BE7LD:U023BECGF")
        workspace, _, user = who.partition(":")
        if self._settings.workspace not in ("", workspace):
            raise unreachable("They are of another workspace.", "Name somebody of this channel's `workspace`.")
        answer = await self._asked("conversations.open", {"users": user})
        if (code := error_of(answer)) == "missing_scope":
            step = "Add it under OAuth & Permissions and install the app again."
            raise Denied("The app may not im:write.", code="scope_missing", next_step=step)
        if code:
            raise refused("Slack", delivery(answer, self._host.now_us()))
        place = Place(workspace, fields_of(answer)["channel"]["id"], user)
        return Reached(place.conversation, place.address())

    async def typing(self, scope: Scope, address: bytes) -> None:
        """Shows in the thread that an answer is being written, for up to two minutes."""
        at = msgspec.json.decode(address, type=Address)
        if thread := at.thread or at.about:
            shown = {"channel_id": at.channel, "thread_ts": thread, "status": "is writing…"}
            await self._asked("assistant.threads.setStatus", shown)

    async def check(self) -> str:
        """Who the bot is, and where. Raises Denied (`credentials_refused`, `scope_missing`), Unavailable."""
        answer = await self._asked("auth.test", {})
        if code := error_of(answer):
            step = "Give it the Bot User OAuth Token of the app: `lichen channel update`."
            message = f"Slack does not accept the token: {code}."
            raise Denied(message, code="credentials_refused", next_step=step)
        given = answer.headers.get("x-oauth-scopes")
        if given is not None and (lacking := SCOPES - {each.strip() for each in given.split(",")}):
            step = "Add it under OAuth & Permissions and install the app again."
            raise Denied(f"The app may not {', '.join(sorted(lacking))}.", code="scope_missing", next_step=step)
        said = fields_of(answer)
        return f"{said.get('user', 'bot')} in {said.get('team', '')} ({said.get('team_id', '')})"

    @property
    def _api(self) -> Api:
        self._made = self._made or Api(self._host, self._settings.api_base_url)
        return self._made

    @property
    def _hostname(self) -> str:
        return urlsplit(self._settings.api_base_url).hostname or ""

    def _address(self, message: Outbound) -> Address | None:
        if message.address:
            return msgspec.json.decode(message.address, type=Address)
        return Address(self._settings.default_channel) if self._settings.default_channel else None

    async def _posted(self, post: dict[str, Any]) -> Delivery:
        if "upload" in post:
            address = Address(post["channel"], post.get("thread_ts", ""))
            return await Uploader(self._host, self._api, self._headers).send(Upload(**post["upload"]), address)
        method = "chat.postEphemeral" if "user" in post else "chat.postMessage"
        try:
            answer = await self._api.ask("POST", f"api/{method}", json=post, headers=await self._headers(self._api))
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        return delivery(answer, self._host.now_us())

    async def _asked(self, method: str, fields: Mapping[str, Any]) -> Answer:
        """The answer to a question: fields as JSON, or as a form where there is no JSON taken. Raises Unavailable."""
        headers, path = await self._headers(self._api), f"api/{method}"
        try:
            if method in ("conversations.history", "conversations.replies"):
                return await self._api.ask("GET", f"{path}?{urlencode(fields)}", headers=headers)
            return await self._api.ask("POST", path, json=dict(fields), headers=headers)
        except (NotSent, CutOff):
            raise away("Slack") from None

    async def _headers(self, api: Api) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._host.secret(self._settings.bot_token, api.hostname)}"}


def _proof(arrival: Arrival, name: str) -> str:
    """A header that proves a request. Raises Denied (`signature_missing`)."""
    if given := arrival.headers.get(name):
        return given
    raise Denied("The request has no proof.", code="signature_missing", next_step="Send it as Slack does.")


def _post(part: Mapping[str, Any], address: Address, mark: Mark) -> dict[str, Any]:
    thread = {"thread_ts": address.thread} if address.thread else {}
    head = {"channel": address.channel, **thread, **part}
    if address.only:
        return {**head, "user": address.only}
    return {**head, "metadata": mark.metadata, "unfurl_links": False, "unfurl_media": False}


def _history(address: Address, since_us: int, cursor: str) -> tuple[str, dict[str, Any]]:
    """How it is asked what stands in a thread, or a channel, since the message was written."""
    since = {"oldest": f"{max(since_us // 1_000_000 - 300, 0)}.000000", "inclusive": "true"}
    asked = {"channel": address.channel, **since, "include_all_metadata": "true", "limit": str(PAGE)}
    asked |= {"cursor": cursor} if cursor else {}
    if address.thread:
        return "conversations.replies", {**asked, "ts": address.thread}
    return "conversations.history", asked
