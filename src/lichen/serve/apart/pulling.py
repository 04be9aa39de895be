"""Work that lies on a stream of the bus, taken in order by one consumer for each environment of a tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple

from lichen.channels.bus.connection import RETRY_S, Bus
from lichen.core.words.errors import LichenError
from lichen.serve.http.lines import broken

BATCH: Final = 64
FETCH_S: Final = 1.0
ACK_S: Final = 10.0  # so long nobody hears of a message before it is given to another
BEAT_S: Final = 3.0

Take = Callable[["Sequence[Any]"], Awaitable[None]]
"""Takes messages that were fetched, and acknowledges each that needs to come no more; until then it is `beating`."""


class Queue(NamedTuple):
    """What is taken of a stream, and what its consumer is called. A queue that is `own` is one process's alone: it
    begins with everything that was not acknowledged, in order."""

    stream: str
    subject: str
    consumer: str
    own: bool = False


class Pulling:
    """Takes from one queue until it is told to end."""

    def __init__(self, bus: Bus, queue: Queue, take: Take) -> None:
        self._bus, self._queue, self._take = bus, queue, take
        self.is_draining = False
        self.unsettled = range(0)  # where on the stream an earlier process took something and did not acknowledge it

    def drain(self) -> None:
        """Takes nothing new."""
        self.is_draining = True

    async def run(self) -> None:
        """Returns once it was told to end and what it took is taken."""
        while not self.is_draining:
            with suppress(LichenError):
                await self._connected()
                await self._pull(await self._bus.ask(self._bound))
            await asyncio.sleep(RETRY_S)

    async def _connected(self) -> None:
        while not self.is_draining and not await self._bus.connected(FETCH_S):
            pass

    async def _pull(self, subscription: Any) -> None:
        try:
            while not self.is_draining:
                fetched = await self._fetched(subscription)
                if fetched is None:
                    return
                if fetched:
                    await self._take(fetched)
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()

    async def _fetched(self, subscription: Any) -> Sequence[Any] | None:
        """What there is; None where it cannot be asked any more, and a new consumer is needed."""
        try:
            return await subscription.fetch(BATCH, timeout=FETCH_S)
        except TimeoutError:
            return () if self._bus.is_connected else None
        except Exception as error:  # noqa: BLE001 - the library raises of everything
            if type(error).__name__ == "TimeoutError" and self._bus.is_connected:
                return ()
            return None

    async def _bound(self, streams: Any) -> Any:
        """The subscription of the consumer, which is made where it is missing."""
        queue = self._queue
        info = await _info(streams, queue)
        if info is not None and queue.own:
            if info.num_ack_pending:
                self.unsettled = range(info.ack_floor.stream_seq + 1, info.delivered.stream_seq + 1)
            await streams.delete_consumer(queue.stream, queue.consumer)
            info = None
        if info is None:
            await streams.add_consumer(
                queue.stream, durable_name=queue.consumer, filter_subject=queue.subject, ack_wait=ACK_S,
                max_ack_pending=4 * BATCH, max_deliver=-1,
            )  # fmt: skip
        return await streams.pull_subscribe_bind(
            queue.consumer, queue.stream, pending_msgs_limit=2 * BATCH, pending_bytes_limit=64 * 1024 * 1024
        )


async def _info(streams: Any, queue: Queue) -> Any:
    from nats.js.errors import NotFoundError  # the extra `nats`

    try:
        return await streams.consumer_info(queue.stream, queue.consumer)
    except NotFoundError:
        return None


@asynccontextmanager
async def beating(messages: Sequence[Any]) -> AsyncGenerator[None]:
    """Says of messages that they are worked on, until they are."""
    beating = asyncio.ensure_future(_beat(messages))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _beat(messages: Sequence[Any]) -> None:
    while True:
        await asyncio.sleep(BEAT_S)
        for each in messages:
            with suppress(Exception):  # acknowledged meanwhile, or the bus is away
                await each.in_progress()


async def acknowledge(message: Any) -> None:
    """Has a message come no more; where that is lost it comes again, and is known by its id."""
    with suppress(Exception):
        await message.ack()


def told(what: str, error: Exception) -> None:
    """Notes what nobody foresaw in the process's log."""
    broken(what, error)
