"""Records as server-sent events: every durable one once and in order, from wherever a reader left off.

The format is the HTML Living Standard's `text/event-stream`: `id` is the position in the log, `event` the record's
type, `data` the record as JSON. What a reader sends back as `Last-Event-ID` is where it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lichen.core import events as e
from lichen.core.ids import StreamId
from lichen.log.log import Log
from lichen.log.record import Record
from lichen.runtime.records import view

MEDIA = "text/event-stream"
BEAT_S = 15.0
COMPANIONS_MAX = 64  # records of one append: more than a run's end brings
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
    log: Log,
    streams: tuple[StreamId, ...],
    after: int,
    *,
    follows: bool,
    closing: asyncio.Event,
    holding: Callable[[], AbstractContextManager[asyncio.Event]],
) -> AsyncGenerator[bytes]:
    """The frames of a run, whose stream is the first of `streams`, after a position.

    Ends with `event: end` when the run has finished, unless it `follows`; without it when the server closes, or when
    the event that `holding` gives says that whoever reads may not any more: no frame leaves after that.
    """
    with holding() as ended:
        frames = _frames(log, streams, after, follows=follows, leaving=(closing, ended))
        async with aclosing(frames):
            async for frame in frames:
                if ended.is_set():
                    return
                yield frame


async def _frames(
    log: Log, streams: tuple[StreamId, ...], after: int, *, follows: bool, leaving: tuple[asyncio.Event, ...]
) -> AsyncGenerator[bytes]:
    yield HELLO
    last = _end_of(log, streams)
    if not follows and last is not None and after >= last:
        yield _end(last)
        return
    async with aclosing(log.follow(after, streams)) as records, aclosing(_beating(records, leaving)) as beats:
        async for record in beats:
            if record is None:
                yield BEAT
                continue
            yield _frame(log, record)
            if last is None and isinstance(record.control, e.RunFinished):
                last = _end_of(log, streams)
            if not follows and last is not None and record.seq >= last:
                yield _end(last)
                return


async def _beating(
    records: AsyncGenerator[Record], leaving: tuple[asyncio.Event, ...]
) -> AsyncGenerator[Record | None]:
    """The records as they come, None whenever none came for a while; ends with the first of the events `leaving`."""
    endings = [asyncio.ensure_future(event.wait()) for event in leaving]
    coming: asyncio.Task[Record | None] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.ensure_future(_next(records))
            await asyncio.wait((coming, *endings), timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                record, coming = coming.result(), None
                if record is None:
                    return
                yield record
            elif any(ending.done() for ending in endings):
                return
            else:
                yield None
    finally:
        for ending in endings:
            ending.cancel()
        if coming is not None:
            coming.cancel()
            await asyncio.wait((coming,))


async def _next(records: AsyncIterator[Record]) -> Record | None:
    return await anext(records, None)


def _end_of(log: Log, streams: tuple[StreamId, ...]) -> int | None:
    """The last position of what was appended together with a run's end, once that is durable."""
    state = log.state(streams[0])
    if not getattr(state, "outcome", ""):
        return None
    finished = log.record(streams[0], state.n - 1)
    if finished.seq > log.durable_seq:
        return None
    beside = (r for r in log.read(finished.seq, COMPANIONS_MAX) if r.ts_us == finished.ts_us and r.stream in streams)
    return max((record.seq for record in beside), default=finished.seq)


def _frame(log: Log, record: Record) -> bytes:
    data = msgspec.json.encode(view(log, record))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (record.seq, record.type.encode(), data)


def _end(last: int) -> bytes:
    return b"id: %d\nevent: end\ndata: {}\n\n" % last
