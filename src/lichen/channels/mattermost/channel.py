"""Mattermost of one tenant: one bot account of a server."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from lichen.channels.mattermost.ingress import Address, Pressed, conversation_of, message, request
from lichen.channels.mattermost.marks import Context, mark_of
from lichen.channels.mattermost.rendering import CAPABILITIES, rendered
from lichen.channels.platform.calling import PAUSE_S_MAX, Answer, Api, CutOff, NotSent, away, delivery_of, fields_of
from lichen.channels.platform.files import named_file
from lichen.channels.platform.parts import Parts
from lichen.channels.platform.reaching import check_customer, refused
from lichen.channels.platform.signing import check_same
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
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.words.errors import Denied
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

CREDENTIALS_S: Final = 60.0
POSTS_MAX: Final = 1_000  # of one answer to what was posted since
THREADS_KEPT: Final = 1_000
TOKENS_MAX: Final = 16


class MattermostSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.mattermost]` may say. `api_base_url` is the server. `username` is the bot's, whose own posts
    are not for the agent. `bot_token` and `tokens` refer to secrets: what the bot posts with, and what proves webhooks
    and commands, of which each has its own. With our own address, `webhook_url`, choices are buttons, else a list.
    """

    api_base_url: str
    username: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9._-]{1,64}\Z")]
    bot_token: str = "secret:mattermost-bot-token"
    tokens: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=TOKENS_MAX)] = ("secret:mattermost-token",)
    webhook_url: str = ""


class MattermostChannel:
    """One bot."""

    settings = MattermostSettings
    guide = Guide(
        "Mattermost",
        (
            Question("api_base_url", "Address of the server", "As people open it.", pattern="^https://.+$"),
            Question("username", "Username of the bot account", "Integrations, Bot Accounts.",
                     pattern="^[a-z0-9._-]{1,64}$"),
            Question("bot_token", "Token of the bot account", "Shown once when it is made.", secret=True),
            Question("tokens", "Token of the outgoing webhook or the command", "Shown beside it.", secret=True),
            Question("webhook_url", "Our own address", "For buttons; the one below.", required=False,
                     pattern="^(https://.+)?$"),
        ),
        (
            "Integrations, Bot Accounts: add one, keep its token, and add it to the team and the channels.",
            "Integrations, Outgoing Webhooks: content type application/json, callback URL {webhook}; keep its token.",
            "Integrations, Slash Commands, if you want one: POST to {webhook}; keep its token.",
            "For buttons: set `webhook_url` to {webhook}.",
        ),
    )  # fmt: skip

    def __init__(self, setup: Setup[MattermostSettings]) -> None:
        self.name = setup.name or "mattermost"
        buttons = CAPABILITIES.choices_max if setup.settings.webhook_url else 0
        self.traits = Traits("asks", setup.settings.in_doubt, forms="steps", choices_max=buttons)
        self._settings, self._host = setup.settings, setup.host
        self._made: Api | None = None
        self._parts = Parts()
        self._threads: OrderedDict[str, str] = OrderedDict()  # of posts

    # -- in ------------------------------------------------------------------------------------------------------

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular: a token proves the server, of a button its mark.

        Raises Denied (`signature_missing`, `signature_invalid`), Invalid, Unavailable.
        """
        secrets = [await self._host.secret(each, self._hostname) for each in self._settings.tokens]
        header = arrival.headers.get("authorization", "")
        if header:
            _check_one(header, [f"Token {each}" for each in secrets])
            return None
        found = request(arrival)
        if isinstance(found, Pressed):
            _check_one(found.context.mark, [mark_of(found.context, found.channel_id, each) for each in secrets])
        else:
            _check_one(found.token, secrets)
        return None

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """What somebody says. Raises Invalid (`body_invalid`)."""
        found = message(request(arrival), self.name, self._settings.username)
        return () if found is None else (found,)

    def reply(self, scope: Scope, arrival: Arrival) -> Reply:
        """Nothing, which posts nothing."""
        return Reply()

    async def fetch(self, scope: Scope, file: FileRef) -> Fetched:
        """A file that a customer sent, with its name.

        Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable.
        """
        answer = await self._asked("GET", f"files/{file.ref}", bytes_max=FILES_BYTES_MAX)
        return named_file(answer, "Mattermost")

    # -- out -----------------------------------------------------------------------------------------------------

    def render(self, message: Outbound) -> dict[str, Any]:
        """Everything that is posted, in order."""
        return {"messages": rendered(message, has_buttons=bool(self._settings.webhook_url))}

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Posts each part into its thread, under an id that the server knows again for a while."""
        address = msgspec.json.decode(message.address, type=Address)
        try:
            thread = address.thread or await self._thread(address.about)
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("retry", "platform_unreachable")  # it was only asked
        secret = await self._host.secret(self._settings.tokens[0], self._hostname)
        parts: list[dict[str, Any]] = self.render(message)["messages"]
        posts = [self._post(part, message, (n, len(parts)), (address.channel, thread), secret)
                 for n, part in enumerate(parts)]  # fmt: skip
        return await self._parts.send(message, posts, self._posted)

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether the message stands in its channel; None where only some of its parts do, or nobody can look."""
        channel = msgspec.json.decode(message.address, type=Address).channel
        since_ms = max(message.queued_at_us // 1_000 - 300_000, 0)
        answer = await self._asked("GET", f"channels/{channel}/posts?since={since_ms}")
        found: Any = fields_of(answer).get("posts")
        if not answer.is_ok or not isinstance(found, dict):
            return None
        posts = cast("dict[str, Any]", found)
        marks = [mark for each in posts.values() if (mark := _mark(each))[0] == _id(message)]
        parts = {part for _, part, _ in marks}
        if not parts:
            return False if len(posts) < POSTS_MAX else None
        return True if len(parts) == marks[0][2] else None

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """The direct channel with somebody, which is made where there is none.

        Raises Invalid (`customer_invalid`), NotFound (`customer_unreachable`), Denied, Unavailable.
        """
        who = check_customer(wanted.customer, r"[a-z0-9]{26}", "mattermost:4xp9fdt77pncbef59f4k1qe83o")
        me = self._id_in(await self._asked("GET", "users/me"))
        channel = self._id_in(await self._asked("POST", "channels/direct", [me, who]))
        return Reached(conversation_of(channel, who), msgspec.json.encode(Address(channel)))

    def _id_in(self, answer: Answer) -> str:
        """The id of what was asked for. Raises NotFound (`customer_unreachable`), Denied, Unavailable."""
        found = fields_of(answer).get("id") if answer.is_ok else None
        if isinstance(found, str) and found.isalnum():
            return found
        code = "credentials_refused" if answer.status in (401, 403) else ""
        raise refused("Mattermost", Delivery("retry", code) if code else delivery_of(answer, self._host.now_us()))

    async def typing(self, scope: Scope, address: bytes) -> None:
        """Shows for some seconds that an answer is being written."""
        at = msgspec.json.decode(address, type=Address)
        await self._asked("POST", "users/me/typing", {"channel_id": at.channel, "parent_id": at.thread})

    async def check(self) -> str:
        """Who the bot is. Raises Denied (`credentials_refused`, `username_differs`), Unavailable."""
        answer = await self._asked("GET", "users/me")
        if not answer.is_ok:
            step = "Give it the token of the bot account: `lichen channel update`."
            raise Denied("Mattermost does not accept the token.", code="credentials_refused", next_step=step)
        said = fields_of(answer).get("username")
        if said != self._settings.username:
            step = "Correct `username`: otherwise the agent would hear its own posts."
            raise Denied("The token is of another account than `username`.", code="username_differs", next_step=step)
        return f"{said} on {self._hostname}"

    async def _thread(self, post: str) -> str:
        """The first post of the thread of a post. Raises NotSent, CutOff."""
        if not post or post in self._threads:
            return self._threads.get(post, "")
        answer = await self._api.ask("GET", f"api/v4/posts/{post}", headers=await self._headers())
        if answer.status == 401:
            raise NotSent(Delivery("retry", "credentials_refused", CREDENTIALS_S))
        if answer.status == 429 or answer.status >= 500:
            raise NotSent(Delivery("retry", "platform_busy", _reset_s(answer)))
        root = fields_of(answer).get("root_id")
        self._threads[post] = "" if not answer.is_ok else root if isinstance(root, str) and root else post
        if len(self._threads) > THREADS_KEPT:
            self._threads.popitem(last=False)
        return self._threads[post]

    def _post(
        self, part: Mapping[str, Any], message: Outbound, number: tuple[int, int], to: tuple[str, str], secret: str
    ) -> dict[str, Any]:
        """A part as it is posted."""
        (n, parts), (channel, thread) = number, to
        props: dict[str, Any] = {"lichen": {"message": _id(message), "part": n, "parts": parts}}
        for attachment in part.get("props", {}).get("attachments", ()):
            actions = [self._action(each, channel, thread, secret) for each in attachment["actions"]]
            props["attachments"] = [{"actions": actions}]
        head = {"channel_id": channel, "message": part["message"], "props": props}
        return {**head, "root_id": thread, "pending_post_id": f"{_id(message)}/{n}"}

    def _action(self, action: Mapping[str, Any], channel: str, thread: str, secret: str) -> dict[str, Any]:
        """A button, with where a press is brought to and the mark that proves it."""
        context = msgspec.structs.replace(msgspec.convert(action["context"], Context), thread=thread)
        context = msgspec.structs.replace(context, mark=mark_of(context, channel, secret))
        bears = {"url": self._settings.webhook_url, "context": msgspec.to_builtins(context)}
        return {**{name: action[name] for name in ("id", "type", "name")}, "integration": bears}

    async def _posted(self, post: dict[str, Any]) -> Delivery:
        try:
            answer = await self._api.ask("POST", "api/v4/posts", json=post, headers=await self._headers())
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        match answer.status:
            case 401:
                return Delivery("retry", "credentials_refused", CREDENTIALS_S)
            case 429:
                return Delivery("retry", "platform_busy", _reset_s(answer))
            case _:
                return delivery_of(answer, self._host.now_us())

    async def _asked(self, method: str, path: str, body: Any = None, *, bytes_max: int = 4 * 1024 * 1024) -> Answer:
        try:
            headers = await self._headers()
            return await self._api.ask(method, f"api/v4/{path}", json=body, headers=headers, bytes_max=bytes_max)
        except (NotSent, CutOff):
            raise away("Mattermost") from None

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._host.secret(self._settings.bot_token, self._hostname)}"}

    @property
    def _api(self) -> Api:
        self._made = self._made or Api(self._host, self._settings.api_base_url)
        return self._made

    @property
    def _hostname(self) -> str:
        return urlsplit(self._settings.api_base_url).hostname or ""


def _check_one(given: str, expected: list[str]) -> None:
    """Raises Denied unless a proof is one of those expected (`signature_missing`, `signature_invalid`)."""
    if not given:
        raise Denied("The request has no token.", code="signature_missing", next_step="Send it as Mattermost does.")
    refused: list[Denied] = []
    for each in expected:
        try:
            check_same(given, each)
        except Denied as error:
            refused.append(error)
    if len(refused) == len(expected):
        raise refused[0]


def _id(message: Outbound) -> str:
    return f"{message.session}/{message.id}"


def _mark(post: Any) -> tuple[str, int, int]:
    """Which part of which message of how many a post is; of nobody's where it has no mark."""
    try:
        found = post["props"]["lichen"]
        return str(found["message"]), int(found["part"]), int(found["parts"])
    except (KeyError, TypeError, ValueError):
        return "", 0, 0


def _reset_s(answer: Answer) -> float | None:
    """How long the server wants to be left alone: seconds."""
    said = answer.headers.get("x-ratelimit-reset", "") or answer.headers.get("retry-after", "")
    return min(max(float(said), 0.5), PAUSE_S_MAX) if said.isdecimal() and len(said) < 8 else None
