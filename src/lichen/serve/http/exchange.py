"""One request as a handler sees it: who asks, where, and what, all of it checked and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from lichen.core.reading.misfits import read_as
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, SessionId, run_stream, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.pace.race import race
from lichen.log.records.record import PLACE
from lichen.runtime.runtime import Runtime
from lichen.serve.http.auth import Caller
from lichen.serve.http.errors import JSON, Late, TooLarge, UnsupportedMedia
from lichen.serve.http.limits import Slots, client_of
from lichen.serve.http.state import site_of

BODY_BYTES_MAX = 1024 * 1024
BODY_S = 30.0
FORM_BYTES_MAX = 64 * 1024
FORM_FIELDS_MAX = 100
WAIT_S_MAX = 60.0

Position = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A place in the log: `seq` of the last record seen, 0 for none. All that is stored there was seen."""

Spot = Annotated[str, msgspec.Meta(pattern=f"^{PLACE}$")]
"""A place in the log: `seq.i` is one record, `seq` all that is stored there, 0 the beginning."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
"""What something is called."""

Note = Annotated[str, msgspec.Meta(max_length=4_000)]
"""A few sentences of a person."""

WaitS = Annotated[float, msgspec.Meta(ge=0, le=WAIT_S_MAX)]
"""How long a request may wait for something to happen."""

BODILESS = ("GET", "HEAD", "OPTIONS")
"""Methods whose requests have a body only if they say so."""

_HAS_BODY = {"content-length", "transfer-encoding"}

T = TypeVar("T")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what a request may say, in its body or its query: every field is declared, an unknown one is refused."""


class Nothing(Body, frozen=True):
    """A request without any fields."""


class Takes(Protocol):
    """What a route declares that it takes."""

    @property
    def query(self) -> type[Body]:
        """The fields of the query."""
        ...

    @property
    def body(self) -> type[Body]:
        """The fields of the JSON body."""
        ...


class Exchange:
    """What a handler works with. `scope` and `actor` are the caller's; no handler takes them from anywhere else."""

    def __init__(
        self, runtime: Runtime, request: Request, body: bytes, *, admit: Callable[[], Caller], takes: Takes
    ) -> None:
        self.runtime = runtime
        self.admit = admit  # recognises the caller and checks their rights: once now, and again where a request lasts
        self.caller = admit()
        self.request = request
        self._body = body
        self._takes = takes
        for kind, given in ((takes.query, self.query), (takes.body, self.body)):
            if kind is Nothing:
                given(Nothing)  # a handler that takes nothing never asks, and what is not declared is refused

    @property
    def scope(self) -> Scope:
        """Where. Raises Invalid (`tenant_missing`) when the caller named no tenant."""
        return self.caller.scope()

    @property
    def actor(self) -> Actor:
        """Who. Raises Invalid (`actor_missing`) when the caller named nobody."""
        return self.caller.actor()

    @property
    def closing(self) -> asyncio.Event:
        """Set when the server is about to stop."""
        return site_of(self.request).closing

    @property
    def streams(self) -> Slots:
        """How many streams may be open at once."""
        return site_of(self.request).streams

    def count(self, session: str, size: int, *, files: int = 0) -> None:
        """Counts a customer's message of so many bytes, and as many of files.

        Raises TooMany (`messages_too_many`, `address_bytes`).
        """
        messages = site_of(self.request).messages
        if messages is not None and self.actor.kind == "customer":
            messages.take(self.scope, client_of(self.request), conversation=session, size=size, files=files)

    @contextmanager
    def audit(self) -> Generator[None]:
        """Held while a whole log is read. Raises TooMany (`all_taken`)."""
        with auditing(self.request, self.scope):
            yield

    @property
    def key(self) -> str | None:
        """The caller's idempotency key."""
        return self.request.headers.get("idempotency-key")

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.path_params[name]

    def query(self, kind: type[T]) -> T:
        """The query as `kind`. Raises Invalid (`query_invalid`) naming the field."""
        assert kind is self._takes.query, "the route's table says something else"
        given = self.request.query_params
        if len(given.multi_items()) != len(given):
            raise Invalid("A field of the query is given twice.", code="query_invalid")
        return read_as(lambda: msgspec.convert(dict(given), kind, strict=False), "query_invalid")

    def body(self, kind: type[T]) -> T:
        """The JSON body as `kind`. Raises Invalid (`body_invalid`) naming the field, UnsupportedMedia."""
        assert kind is self._takes.body, "the route's table says something else"
        if self._body and self.request.headers.get("content-type", "").partition(";")[0].strip() != JSON:
            raise UnsupportedMedia("The body is not declared as JSON.")
        return read_as(lambda: msgspec.json.decode(self._body or b"{}", type=kind), "body_invalid")

    async def wait(self, event: Coroutine[Any, Any, object], *, timeout_s: float) -> None:
        """Returns when the event did, after `timeout_s`, or when the server stops. Raises what the event raises.

        What the caller may is asked again after it. Raises Unauthenticated as soon as their key is revoked.
        """
        with self.holding() as ended:
            works = {"event": event, "closing": self.closing.wait(), "ended": ended.wait()}
            await race(works, timeout_s=timeout_s)
        if timeout_s:
            self.caller = self.admit()

    def holding(self) -> AbstractContextManager[asyncio.Event]:
        """Something is open in the caller's name; the event is set when that name ends."""
        return self.runtime.register.holding(*self.caller.names(self.runtime))


async def load(runtime: Runtime, caller: Caller, parts: Mapping[str, str]) -> None:
    """Has the session or run that a path names in memory before it is asked about: a long one is read by a thread."""
    if "session" in parts:
        await runtime.log(caller.scope()).load(session_stream(SessionId(parts["session"])))
    if "run" in parts:
        await runtime.log(caller.scope()).load(run_stream(RunId(parts["run"])))


@contextmanager
def naming(fields: Mapping[str, str]) -> Generator[None]:
    """An Invalid whose code is one of these is about the field of the body that the code stands for: its place begins
    there. JSON pointers (RFC 6901)."""
    try:
        yield
    except Invalid as error:
        if error.code not in fields:
            raise
        inner = error.place if (error.place or "").startswith("/") else ""
        place = f"/{fields[error.code]}{inner}"
        raise Invalid(error.message, code=error.code, next_step=error.next_step, place=place) from error


@contextmanager
def auditing(request: Request, scope: Scope) -> Generator[None]:
    """Held while a whole log is read: a few at a time, one for each log. Raises TooMany (`all_taken`)."""
    audits = site_of(request).audits
    audits.check(scope.log_id())
    with audits.holding(scope.log_id()):
        yield


async def read_body(request: Request, *, bytes_max: int = BODY_BYTES_MAX, within_s: float = BODY_S) -> bytes:
    """All of a request's body, read before anything is answered: whoever still sends would miss the answer.

    Raises TooLarge, Late, Invalid (`body_invalid`) when the caller leaves before the end.
    """
    if request.method in BODILESS and _HAS_BODY.isdisjoint(request.headers.keys()):
        return b""
    data = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                data += chunk
                if len(data) > bytes_max:
                    raise TooLarge(f"The body has more than {bytes_max} bytes.")
    except TimeoutError:
        raise Late(f"The body was not there after {within_s:g} seconds.") from None
    except ClientDisconnect:
        raise Invalid("The body ended early.", code="body_invalid") from None
    return bytes(data)


async def read_form(request: Request, *, bytes_max: int = FORM_BYTES_MAX) -> dict[str, str]:
    """The fields of a posted form, the last of each name. Raises as `read_body`, Invalid (`form_invalid`)."""
    body = await read_body(request, bytes_max=bytes_max)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError:
        raise Invalid("The body is not a form.", code="form_invalid") from None
    return dict(fields)


Handler = Callable[[Exchange], Awaitable[Any]]
"""Answers one kind of request with something that can be written as JSON, or with a Response."""
