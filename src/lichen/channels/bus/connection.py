"""The connection to NATS: made as soon as it can be, made again when it breaks, and what its errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, TypeVar

from lichen.core.words.errors import Invalid, LichenError, Unavailable

EXTRA: Final = "nats"
ANSWER_S: Final = 5.0
RETRY_S: Final = 0.2
SAME_S: Final = 120.0  # so long the bus knows a message that is put there twice
MESSAGES_MAX: Final = 100_000  # of a stream that waits for whoever takes them
BYTES_MAX: Final = 1024**3
KEPT_S: Final = 14 * 86_400.0  # what is known of deliveries, and dead letters
ACK_S: Final = 30.0
INGRESS: Final = "MESSAGING_INGRESS"
EGRESS: Final = "MESSAGING_EGRESS"
DLQ: Final = "DLQ"
BUCKET: Final = "lichen_deliveries"

T = TypeVar("T")


class Bus:
    """A NATS server at the address that a reference leads to: `env:VARIABLE`. Opened, then closed once."""

    def __init__(self, reference: str, environ: Mapping[str, str]) -> None:
        self._reference, self._environ = reference, environ
        self._nats: Any = None
        self._keeping: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._is_made = False
        self._begins: list[Callable[[], Awaitable[None]]] = []

    def open(self) -> None:
        """Begins to connect. Raises Invalid (`bus_extra_missing`, `bus_unset`)."""
        self._library("nats")
        self._url()
        self._keeping = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        """Lets go of the connection."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        if self._nats is not None:
            await self._nats.close()

    def at_connection(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Has something done once the first connection stands."""
        self._begins.append(begin)

    @property
    def is_connected(self) -> bool:
        """Whether it can be asked now."""
        return self._is_made and self._nats is not None and self._nats.is_connected

    async def connected(self, within_s: float) -> bool:
        """Whether it can be asked, as soon as it can."""
        if not self.is_connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._up.wait()
        return self.is_connected

    async def publish(self, subject: str, data: bytes, *, id: str) -> None:
        """Returns once the message is durable on its stream; one id is one message there.

        Raises Unavailable (`bus_away`, `bus_full`), Invalid (`message_too_large`).
        """

        async def put(streams: Any) -> None:
            await streams.publish(subject, data, timeout=ANSWER_S, headers={"Nats-Msg-Id": id})

        if self.is_connected and len(data) > self._nats.max_payload:
            step = "Send less at once, or raise max_payload of the NATS server."
            raise Invalid("This message is larger than the bus takes.", code="message_too_large", next_step=step)
        await self.ask(put)

    async def ask(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """What JetStream answers. Raises Unavailable (`bus_away`, `bus_full`)."""
        if not self.is_connected:
            raise away()
        errors = self._library("nats.js.errors")
        try:
            return await work(self._nats.jetstream(timeout=ANSWER_S))
        except (LichenError, errors.KeyValueError):
            raise
        except errors.APIError as error:
            if "maximum" in str(error.description):
                raise full() from None
            raise away() from None
        except Exception:  # noqa: BLE001 - the library raises of everything; what it says may hold what was sent
            raise away() from None

    async def wake(self, subject: str, data: bytes) -> None:
        """Tells whoever listens now; nobody keeps it."""
        with suppress(Exception):
            await self._nats.publish(subject, data)

    async def listen(self, subject: str, heard: Callable[[str, bytes], None]) -> None:
        """Calls `heard` with subject and content of what is told there, also after the connection broke."""

        async def take(message: Any) -> None:
            heard(message.subject, message.data)

        await self._nats.subscribe(subject, cb=take)

    async def _keep(self) -> None:
        """Connects, for as long as that takes; once it stands the library keeps it."""
        while not self._is_made:
            try:
                self._nats = await self._connect()
                await _streams(self._nats.jetstream(timeout=ANSWER_S), self._library("nats.js.api"))
                for begin in self._begins:
                    await begin()
                self._is_made = True
                self._up.set()
            except Exception:  # noqa: BLE001 - whatever it is, it is tried again
                if self._nats is not None:
                    with suppress(Exception):
                        await self._nats.close()
                    self._nats = None
                await asyncio.sleep(RETRY_S)

    async def _connect(self) -> Any:
        async def ignored(error: Exception) -> None:
            """What the library would write to the process's log may hold what was sent."""

        async def up() -> None:
            if self._is_made:
                self._up.set()

        async def down() -> None:
            self._up.clear()

        return await self._library("nats").connect(
            self._url(), connect_timeout=2, reconnect_time_wait=RETRY_S, max_reconnect_attempts=-1, error_cb=ignored,
            reconnected_cb=up, disconnected_cb=down,
        )  # fmt: skip

    def _url(self) -> str:
        name = self._reference.removeprefix("env:")
        url = self._environ.get(name, "")
        if not url:
            step = f"Set {name}, such as tls://user:password@host:4222."
            raise Invalid("Nothing says where the bus is.", code="bus_unset", next_step=step)
        return url

    def _library(self, name: str) -> Any:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            step = f"Install Lichen with its extra `{EXTRA}`, in a clone with `pip install '.[{EXTRA}]'`."
            raise Invalid("The library for NATS is not installed.", code="bus_extra_missing", next_step=step) from None


def away() -> Unavailable:
    """That nothing can be asked of the bus now."""
    step = "See that NATS runs with JetStream, and that the address is right; it is asked again."
    return Unavailable("The bus does not answer.", code="bus_away", next_step=step)


def full() -> Unavailable:
    """That nobody has taken for long what lies there."""
    step = "See that the runner and the egress run; what they take makes room."
    return Unavailable("There is no more room on the bus.", code="bus_full", next_step=step)


async def _streams(streams: Any, api: Any) -> None:
    """Makes the streams and the bucket, where they are not there yet."""
    queue = {"retention": "workqueue", "discard": "new", "max_msgs": MESSAGES_MAX, "max_bytes": BYTES_MAX}
    replays = "replay.*.ingress"
    await _made(streams, api, INGRESS, ["greentic.messaging.ingress.>", replays], **queue, duplicate_window=SAME_S)
    await _made(streams, api, EGRESS, ["greentic.messaging.egress.>"], **queue, duplicate_window=SAME_S)
    await _made(streams, api, DLQ, ["dlq.>"], max_age=KEPT_S, max_bytes=BYTES_MAX)
    try:
        await streams.key_value(BUCKET)
    except Exception:  # noqa: BLE001 - whichever it is, making it tells
        await streams.create_key_value(bucket=BUCKET, history=1, ttl=KEPT_S, storage="file", max_bytes=BYTES_MAX)


async def _made(streams: Any, api: Any, name: str, subjects: list[str], **terms: Any) -> None:
    try:
        await streams.stream_info(name)
    except Exception:  # noqa: BLE001 - as above
        await streams.add_stream(api.StreamConfig(name=name, subjects=subjects, storage="file", **terms))
