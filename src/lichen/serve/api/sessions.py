"""Conversations: open one, say something, fetch the replies, confirm them."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from starlette.responses import Response

from lichen.channels import webchat
from lichen.core.deciders.events import DoubleTexting
from lichen.core.ports.overrides import NONE, Overrides
from lichen.core.speech import saying as speech
from lichen.core.speech.attached import FILES_BYTES_MAX, FILES_MAX, weight
from lichen.core.speech.wording import WANTED_CHARS_MAX
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import MessageId, RunId, SessionId, WaitId
from lichen.engine.intake.sessions import Told
from lichen.runtime.operations.talk.session import Outgoing, Session
from lichen.runtime.operations.talk.turn import Turn
from lichen.runtime.views.session import SessionDetail, SessionSummary, Standing
from lichen.runtime.views.talks.conversation import ConversationBook
from lichen.serve.api.route import ApiRoute
from lichen.serve.api.runs import FIELDS
from lichen.serve.files.download import PLAIN, download
from lichen.serve.http.exchange import Body, Exchange, Name, Nothing, Position, WaitS, naming
from lichen.settings.routes import ANY

LISTED_MAX = 1000
CONVERSATIONS_MAX = 200
MESSAGE_BYTES_MAX = FILES_BYTES_MAX * 4 // 3 + 256 * 1024  # with its files in base64
BUILT_IN = ("api", "cli", webchat.NAME)


class Opening(Body, frozen=True):
    """The session wanted. Without `agent` it is the one this tenant's customers meet; with a `key`, always the same.

    `language` is a tag such as `de`, or a list as Accept-Language has it.
    """

    agent: str | None = None
    channel: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,31}$")] = "api"
    double_texting: DoubleTexting = "enqueue"
    key: str | None = None
    language: Annotated[str, msgspec.Meta(max_length=WANTED_CHARS_MAX)] = ""


class Telling(Body, frozen=True):
    """What the customer reads, who did not ask. `card` is an Adaptive Card, for channels that show one."""

    text: str
    card: dict[str, Any] | None = None


class Listing(Body, frozen=True):
    """A page of sessions: those that began before record `before`, or the newest."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LISTED_MAX)] = 100
    before: Position | None = None
    agent: Name | None = None


class Looking(Body, frozen=True):
    """A page of conversations by a channel, that stand so: those in which nothing happened since the moment `before`,
    which the page before says as `next_before`."""

    channel: Name | None = None
    standing: Standing | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=CONVERSATIONS_MAX)] = 50
    before: Position | None = None


class Opened(msgspec.Struct, frozen=True):
    """The session."""

    id: SessionId


class Attaching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that goes with a message: a `data:` URL in base64. Its bytes say what it is; a `media_type` has to fit."""

    url: Annotated[str, msgspec.Meta(pattern="^data:")]
    name: Annotated[str, msgspec.Meta(max_length=256)] = ""
    media_type: Annotated[str, msgspec.Meta(max_length=256)] = ""


class Saying(Body, frozen=True):
    """A message of the customer. `input`, any JSON, goes to the agent or flow with the words, `attachments` with them.

    With `answers`, a JSON Schema that the answer has to fit, or `overrides`, which leave its run fewer tools and
    narrower limits, it has a turn of its own.
    """

    text: str
    input: Any = None
    answers: dict[str, Any] | None = None
    overrides: Overrides = NONE
    attachments: Annotated[tuple[Attaching, ...], msgspec.Meta(max_length=FILES_MAX)] = ()

    @property
    def data(self) -> Any:
        """What goes with the words."""
        if not self.attachments:
            return self.input
        files = [{"contentUrl": a.url, "contentType": a.media_type, "name": a.name} for a in self.attachments]
        beside: dict[str, Any] = {} if self.input is None else {"input": self.input}
        given: Any = self.input
        rest = cast("dict[str, Any]", given) if isinstance(given, dict) else beside
        return {**rest, "attachments": files}


class Taken(msgspec.Struct, frozen=True):
    """What became of a message, once it is durable."""

    message: MessageId
    disposition: str
    run: RunId | None
    wait: WaitId | None
    is_repeated: bool


class Polling(Body, frozen=True):
    """How long to wait for something to say."""

    wait_s: WaitS = 0.0


class Replies(msgspec.Struct, frozen=True):
    """Messages the customer has not confirmed, oldest first; `owing` when something they said is not dealt with."""

    messages: tuple[Outgoing, ...]
    owing: bool


async def open_session(x: Exchange) -> Opened:
    """The caller's session with an agent."""
    wanted = x.body(Opening)
    agent = wanted.agent
    if agent is None and x.runtime.project is not None:
        agent = x.runtime.project.agent_for(x.scope.tenant).name
    _check_channel(x, wanted.channel)
    session = await x.runtime.sessions.open(
        x.scope,
        x.actor,
        agent=agent,
        channel=wanted.channel,
        double_texting=wanted.double_texting,
        key=wanted.key or x.key,
        language=wanted.language,
    )
    return Opened(session.id)


def _check_channel(x: Exchange, channel: str) -> None:
    """Raises Invalid (`channel_unknown`): the name is in the clear in the log, so nobody invents one."""
    settings = x.runtime.settings
    routes = settings.tenants[x.scope.tenant].routes if settings is not None else ()
    known = {*BUILT_IN, *x.runtime.channels, *(route.channel for route in routes)} - {ANY}
    if channel not in known:
        raise Invalid(
            "There is no channel of this name.",
            code="channel_unknown",
            next_step=f"Name one of: {', '.join(sorted(known))}; a route in lichen.toml declares another.",
            place="$.channel",
        )


async def list_sessions(x: Exchange) -> tuple[SessionSummary, ...]:
    """The newest sessions first. The last one's `first_seq` is the next page's `before`."""
    wanted = x.query(Listing)
    return await x.runtime.sessions.list(x.scope, x.actor, limit=wanted.limit, before=wanted.before, agent=wanted.agent)


async def list_conversations(x: Exchange) -> ConversationBook:
    """Conversations, the one that something happened in last first, with what was said last."""
    wanted = x.query(Looking)
    return await x.runtime.conversations.list(
        x.scope,
        x.actor,
        channel=wanted.channel,
        standing=wanted.standing,
        limit=wanted.limit,
        before=wanted.before,
    )


async def show(x: Exchange) -> SessionDetail:
    """A session and the last of what was said in it."""
    return await _session(x).detail()


async def say(x: Exchange) -> Taken:
    """Takes one message; a repeated idempotency key is the same message."""
    said = x.body(Saying)
    x.count(x.part("session"), len(said.text.encode()), files=weight(said.data))
    receipt = (await _said(_session(x), said, x.key)).receipt
    return Taken(receipt.message, receipt.disposition, receipt.run, receipt.wait, receipt.is_repeated)


async def tell(x: Exchange) -> Told:
    """Writes to the customer, who did not ask; a repeated idempotency key is the same message."""
    said, session = x.body(Telling), SessionId(x.part("session"))
    return await x.runtime.telling.tell(x.scope, session, speech.Saying(said.text, said.card), x.actor, key=x.key)


async def _said(session: Session, said: Saying, key: str | None) -> Turn:
    if said.answers is None and said.overrides == NONE:
        return await session.say(said.text, key=key, data=said.data)
    with naming(FIELDS):
        return await session.ask(said.text, key=key, data=said.data, answers=said.answers, overrides=said.overrides)


async def file(x: Exchange) -> Response:
    """A file that came with a message: number `i` of the session's record `n`. It is to be kept, not to be drawn."""
    n, i = (x.part(name) if x.part(name).isascii() and x.part(name).isdigit() else "-1" for name in ("n", "i"))
    return download(await _session(x).file(int(n[:15]), int(i[:3])))


async def replies(x: Exchange) -> Replies:
    """Waits until there is a message, or until nothing is owed any more, or until the time is up."""
    wait_s = x.query(Polling).wait_s
    session = _session(x)
    await x.wait(session.news(), timeout_s=wait_s)
    owing = session.is_owing()  # in the same moment as the messages: what was dealt with is among them
    return Replies(await session.pending(), owing)


async def delivered(x: Exchange) -> Nothing:
    """The customer has this message."""
    await _session(x).delivered(MessageId(x.part("message")))
    return Nothing()


async def close(x: Exchange) -> Nothing:
    """Ends the session."""
    await _session(x).close()
    return Nothing()


def _session(x: Exchange) -> Session:
    """The session of the path. Raises NotFound (`session_unknown`) where the caller may not see it."""
    return x.runtime.sessions.get(x.scope, SessionId(x.part("session")), x.actor)


ROUTES = (
    ApiRoute("POST", "sessions", "session.open", open_session, body=Opening, fails=(404, 409), takes_key=True),
    ApiRoute("GET", "conversations", "session.list", list_conversations, query=Looking),
    ApiRoute("GET", "sessions", "session.list", list_sessions, query=Listing),
    ApiRoute("GET", "sessions/{session}", "session.read", show),
    ApiRoute(
        "POST",
        "sessions/{session}/messages",
        "session.say",
        say,
        body=Saying,
        fails=(409,),
        takes_key=True,
        body_bytes_max=MESSAGE_BYTES_MAX,
    ),
    ApiRoute("GET", "sessions/{session}/attachments/{n}/{i}", "session.read", file, media=PLAIN),
    ApiRoute("GET", "sessions/{session}/messages", "session.read", replies, query=Polling),
    ApiRoute("POST", "sessions/{session}/messages/{message}/delivered", "session.read", delivered),
    ApiRoute("POST", "sessions/{session}/tell", "session.tell", tell, body=Telling, fails=(409, 503), takes_key=True),
    ApiRoute("POST", "sessions/{session}/close", "session.close", close),
)
