"""Records as server-sent events: every durable one once and in order, from wherever a reader left off.

The format is the HTML Living Standard's `text/event-stream`: `id` is the place in the log (`seq.i`:
where it is stored, and which of those stored there), `event` the record's type, `data` the record as JSON. What a
reader sends back as `Last-Event-ID` is where it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing
from typing import Any, TypeVar

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lichen.core.words.errors import Denied
from lichen.engine.pace.race import race
from lichen.log.records.record import Place
from lichen.runtime.operations.talk.feed import Feed
from lichen.runtime.operations.talk.pieces import PieceView
from lichen.runtime.operations.waits import Waiting
from lichen.runtime.views.record import RecordView

T = TypeVar("T")

MEDIA = "text/event-stream"
BEAT_S = 15.0
HELLO = b"retry: 2000\n\n"
BEAT = b": still here\n\n"


class EventStream(StreamingResponse):
    """Frames as they come. `slot` is held, and the frames are closed, however the response ends."""

    def __init__(self, frames: AsyncGenerator[bytes], *, slot: AbstractContextManager[None]) -> None:
        super().__init__(frames, media_type=MEDIA, headers={"x-accel-buffering": "no"})
        self._frames, self._slot = frames, slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers until the frames end or the reader leaves."""
        with self._slot:
            async with aclosing(self._frames):
                await super().__call__(scope, receive, send)


async def run_frames(
    feed: Feed,
    after: Place,
    *,
    follows: bool,
    closing: asyncio.Event,
    holding: Callable[[], AbstractContextManager[asyncio.Event]],
) -> AsyncGenerator[bytes]:
    """The frames of a run after a position.

    Ends with `event: end` when the run has finished, unless it `follows`; without it when the server closes, or when
    the event that `holding` gives says that whoever reads may not any more: no frame leaves after that.
    """
    with holding() as ended:
        frames = _frames(feed, after, follows=follows, leaving=(closing, ended))
        async with aclosing(frames):
            try:
                async for frame in frames:
                    if ended.is_set():
                        return
                    yield frame
            except Denied:
                return


async def piece_frames(
    pieces: AsyncGenerator[PieceView],
    *,
    closing: asyncio.Event,
    holding: Callable[[], AbstractContextManager[asyncio.Event]],
) -> AsyncGenerator[bytes]:
    """The pieces of models' replies as frames without ids, since none is kept. Ends with `event: end`."""
    async with aclosing(passing("piece", pieces, dict, closing=closing, holding=holding)) as frames:
        async for frame in frames:
            yield frame


async def passing(
    event: str,
    values: AsyncGenerator[Any],
    end: Callable[[], object],
    *,
    closing: asyncio.Event,
    holding: Callable[[], AbstractContextManager[asyncio.Event]],
) -> AsyncGenerator[bytes]:
    """Values of which none is kept, as frames of this `event` without ids. Ends with `event: end`, and what `end` says
    then."""
    with holding() as ended:
        yield HELLO
        async with aclosing(values), aclosing(_beating(values, (closing, ended))) as beats:
            async for value in beats:
                if ended.is_set():
                    return
                yield BEAT if value is None else _unkept(event, value)
        if not (ended.is_set() or closing.is_set()):
            yield _unkept("end", end())


def _unkept(event: str, value: object) -> bytes:
    return f"event: {event}\ndata: ".encode() + msgspec.json.encode(value) + b"\n\n"


async def _frames(
    feed: Feed, after: Place, *, follows: bool, leaving: tuple[asyncio.Event, ...]
) -> AsyncGenerator[bytes]:
    yield HELLO
    last = feed.last()
    if not follows and last is not None and after >= last:
        yield _end(last)
        return
    async with aclosing(feed.records(after)) as records, aclosing(_beating(records, leaving)) as beats:
        async for record in beats:
            if record is None:
                yield BEAT
                continue
            yield _frame(record)
            if last is None and feed.is_end(record):
                last = feed.last()
            if not follows and last is not None and record.place >= last:
                yield _end(last)
                return


async def _beating(coming_in: AsyncGenerator[T], leaving: tuple[asyncio.Event, ...]) -> AsyncGenerator[T | None]:
    """What comes as it comes, None whenever nothing came for a while; ends with the first of the events `leaving`."""
    coming: asyncio.Task[T | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(coming_in))
            endings = {f"ending {i}": event.wait() for i, event in enumerate(leaving)}
            first = await race({"record": asyncio.shield(coming), **endings}, timeout_s=BEAT_S)
            if first is None:
                yield None
                continue
            record = coming.result() if first == "record" else None
            if record is None:
                return
            coming = None
            yield record
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait((coming,))


async def _next(coming_in: AsyncIterator[T]) -> T | None:
    return await anext(coming_in, None)


async def waiting_frames(
    news: AsyncGenerator[Waiting],
    *,
    closing: asyncio.Event,
    holding: Callable[[], AbstractContextManager[asyncio.Event]],
) -> AsyncGenerator[bytes]:
    """The frames of what waits for people: how much there is, at once and whenever something about it changes."""
    with holding() as ended:
        yield HELLO
        async with aclosing(news), aclosing(_beating(news, (closing, ended))) as beats:
            try:
                async for found in beats:
                    if ended.is_set():
                        return
                    yield BEAT if found is None else b"event: waiting\ndata: %s\n\n" % msgspec.json.encode(found)
            except Denied:
                return


def _frame(record: RecordView) -> bytes:
    data = msgspec.json.encode(record)
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(record.place).encode(), record.type.encode(), data)


def _end(last: Place) -> bytes:
    return b"id: %s\nevent: end\ndata: {}\n\n" % str(last).encode()
