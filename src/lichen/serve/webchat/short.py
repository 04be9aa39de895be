"""The short way of what is said: from the connection to the append, all that came in one turn of the loop together.

The fast path of `activities.post`, of which it uses every check. Only a message of a conversation that is known goes
this way; everything else is left to the routes, before anything was done.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from starlette.requests import HTTPConnection

from lichen.core.words.errors import LichenError
from lichen.engine.intake.messages import Receipt
from lichen.runtime.operations.talk.session import NewMessage
from lichen.serve.http import headers
from lichen.serve.http.errors import INTERNAL, JSON, failure
from lichen.serve.http.headers import NOBODY, Frames, Header
from lichen.serve.http.limits import loop_time
from lichen.serve.http.lines import broken
from lichen.serve.http.metrics import Metrics
from lichen.serve.http.state import Answer
from lichen.serve.webchat.activities import acknowledged, count, read
from lichen.serve.webchat.chat import Chat, Chats
from lichen.serve.webchat.routes import ACTIVITIES, PREFIXES
from lichen.serve.webchat.visit import Visit, check_origin, cors

_PATH: Final = re.compile(
    rb"/v1/(?:messaging|web)/webchat/([\w.-]+)(?:/v3/directline)?/conversations/([\w.-]+)/activities"
)
_ROUTE: Final = PREFIXES[0] + ACTIVITIES
HEADERS_MAX: Final = 1_000  # of origins that are remembered with what answers to them say
_ORIGIN: Final = re.compile(r"[!-~]{0,256}")


class _Coming(NamedTuple):
    """A message that is counted and not answered yet."""

    visit: Visit
    message: NewMessage
    since_s: float
    answered: Callable[[Answer], None]


class Shortcut:
    """What is said in every tenant's web chat. `metrics` counts it, where somebody counts; `frames` says what the
    middleware says of who may frame a page."""

    path = _PATH

    def __init__(self, chats: Chats, *, metrics: Metrics | None = None, frames: Frames = lambda path: NOBODY) -> None:
        self._chats, self._metrics, self._frames = chats, metrics, frames
        self._headers: dict[tuple[tuple[tuple[str, str], ...], str], list[Header]] = {}
        self._coming: dict[Chat, list[_Coming]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def takes(self, request: HTTPConnection, body: bytes, answered: Callable[[Answer], None]) -> bool:
        """Takes a message of a conversation that is known, to be answered once it is durable."""
        since_s, found = loop_time(), _PATH.fullmatch(request.scope["raw_path"])
        if found is None or not _ORIGIN.fullmatch(request.headers.get("origin", "")):
            return False
        tenant, conversation = found.groups()
        request.scope["path_params"] = {"tenant": tenant.decode(), "conversation": conversation.decode()}
        try:
            chat = self._chats.of(tenant.decode())
            check_origin(chat, request)
            visit = Visit(chat, request, body)
            visitor, message = read(visit)
            session = chat.known(visitor)
        except Exception:  # noqa: BLE001 - the routes meet it too, and say what it is
            return False
        if message is None or session is None:
            return False
        new = NewMessage(session, message.text, message.id, message.data, message.envelope)
        coming = _Coming(visit, new, since_s, answered)
        try:
            count(visit, message)
        except Exception as error:  # noqa: BLE001 - it is answered as the routes would
            asyncio.get_running_loop().call_soon(self._answer, coming, error)
        else:
            self._add(chat, coming)
        return True

    def _add(self, chat: Chat, coming: _Coming) -> None:
        waiting = self._coming.get(chat)
        if waiting is not None:
            waiting.append(coming)
            return
        self._coming[chat] = [coming]
        task = asyncio.get_running_loop().create_task(self._say(chat))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say(self, chat: Chat) -> None:
        """Takes all that came for a tenant, and answers it."""
        coming = self._coming.pop(chat)
        outcomes = await chat.runtime.sessions.say([each.message for each in coming])
        for each, outcome in zip(coming, outcomes, strict=True):
            self._answer(each, outcome)

    def _answer(self, coming: _Coming, outcome: Receipt | Exception) -> None:
        status, own, body = _answered(coming, outcome)
        request = coming.visit.request
        said = tuple(cors(coming.visit.chat, request).items())
        more = self._more(said, request.scope["scheme"], request.scope["path"])
        if self._metrics is not None:
            self._metrics.count(_ROUTE, status, loop_time() - coming.since_s)
        coming.answered(Answer(status, [*own, *more], body))

    def _more(self, said: tuple[tuple[str, str], ...], scheme: str, path: str) -> Sequence[Header]:
        """What every answer has that a page of this origin gets over this scheme."""
        found = self._headers.get((said, scheme))
        if found is None:
            found = [(name.encode(), value.encode("latin-1")) for name, value in said]
            headers.add(found, {"scheme": scheme, "path": path}, self._frames)
            if len(self._headers) >= HEADERS_MAX:
                self._headers.clear()
            self._headers[said, scheme] = found
        return found


def _answered(coming: _Coming, outcome: Receipt | Exception) -> Answer:
    """What the route itself says of a message."""
    try:
        if isinstance(outcome, Receipt):
            body = acknowledged(coming.visit.request.path_params["conversation"], outcome.n)
            return Answer(200, ((b"content-length", b"%d" % len(body)), (b"content-type", JSON.encode())), body)
        raise outcome
    except LichenError as error:
        response = failure(error)
    except Exception as error:  # noqa: BLE001 - no stack trace ever leaves; the log has its place
        broken("webchat request", error)
        response = failure(INTERNAL)
    return Answer(response.status_code, response.raw_headers, bytes(response.body))
