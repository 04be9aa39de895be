"""The runner: it takes what a gateway put on the bus, each message once under its own id, and in the order of its
conversation; what cannot be taken is a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from lichen.channels.bus import envelopes, subjects
from lichen.channels.bus.connection import BUCKET, INGRESS, Bus
from lichen.channels.bus.outlet import BusOutlet, Reports
from lichen.channels.bus.sending import reports
from lichen.channels.bus.subjects import TEAM, Way
from lichen.channels.port import Report
from lichen.core.words import faults
from lichen.core.words.errors import (
    Conflict,
    Denied,
    Expired,
    Invalid,
    LichenError,
    NotFound,
    TooMany,
    Unavailable,
)  # fmt: skip
from lichen.core.words.scope import Scope
from lichen.engine.ports import Channel
from lichen.runtime.channels.channels import Channels
from lichen.runtime.channels.kept import decoded
from lichen.runtime.runtime import Runtime
from lichen.serve.apart.pulling import Pulling, Queue, acknowledge, beating, told
from lichen.serve.hooks.gateway import Mailroom
from lichen.serve.http.messages import Messages

TRIES_MAX: Final = 5
PAUSE_S: Final = 0.5
FOR_GOOD: Final = (Invalid, NotFound, Denied, Conflict, Expired)
STAGE: Final = "ingress"
CHANGED: Final = "secrets.changed"


class Counted(Messages):
    """Messages that the gateway has counted."""

    def take(self, scope: Scope, client: str, *, conversation: str, size: int, files: int = 0) -> None:
        """Counts nothing."""


@runtime_checkable
class Forgetful(Protocol):
    """Secrets that are kept for a while."""

    def forget(self, scope: Scope, name: str) -> None:
        """Keeps one no longer. Raises Invalid (`secret_name_invalid`)."""
        ...


class BusRunner:
    """What comes in over the bus. Implements `Listener`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.reports = Reports()
        self._pulling: list[Pulling] = []
        self._tasks: list[asyncio.Future[None]] = []

    def outlet(self, channels: Channels) -> Any:
        """What makes a channel's way out over the bus."""

        def way_of(name: str, scope: Scope) -> Way:
            return Way(scope.env, scope.tenant, channels.find(name, scope.tenant).team or TEAM, name)

        def made(name: str, inner: Channel) -> Channel:
            return BusOutlet(name, inner, self._bus, self.reports, lambda scope: way_of(name, scope))

        return made

    async def start(self, runtime: Runtime) -> None:
        """Begins to take, as soon as the bus is there. Raises Invalid (`bus_unset`, `bus_extra_missing`)."""
        assert runtime.project is not None, "channels are a project's"

        async def listen() -> None:
            for scope in runtime.project.settings.scopes if runtime.project is not None else ():
                await self._bus.listen(reports(scope), self.reports.heard)
                await self._bus.listen(f"{CHANGED}.{scope.tenant}.{scope.env}.>", _forgetting(runtime, scope))

        channels = runtime.project.channels
        scopes = {scope for scope, _ in channels.working}
        self._bus.at_connection(listen)
        self._bus.open()
        for scope in sorted(scopes, key=lambda each: each.log_id()):
            self._begin(_Taking(self._bus, runtime, scope).pulling())
        for tenant in sorted({scope.tenant for scope in scopes}):
            self._begin(_raising(self._bus, tenant, runtime.engine.services.new_id))

    def _begin(self, pulling: Pulling) -> None:
        self._pulling.append(pulling)
        self._tasks.append(asyncio.ensure_future(pulling.run()))

    def drain(self) -> None:
        """Takes nothing new."""
        for each in self._pulling:
            each.drain()
        self.reports.close()

    async def stop(self) -> None:
        """Returns once what it took is taken."""
        if self._tasks:
            await asyncio.wait(self._tasks)
            self._tasks.clear()
            await self._bus.close()


class _Taking:
    """What comes in for one environment of a tenant."""

    def __init__(self, bus: Bus, runtime: Runtime, scope: Scope) -> None:
        assert runtime.project is not None, "channels are a project's"
        self._bus, self._runtime, self._scope = bus, runtime, scope
        self._channels = runtime.project.channels
        self._messages = Counted(runtime.settings)
        env, tenant = scope.env, scope.tenant
        queue = Queue(INGRESS, f"{subjects.ROOT}.ingress.{env}.{tenant}.>", f"runner_{env}_{tenant}", own=True)
        self._pulling = Pulling(bus, queue, self.take)

    def pulling(self) -> Pulling:
        """What brings the messages."""
        return self._pulling

    async def take(self, messages: Sequence[Any]) -> None:
        """Takes messages: those of one conversation one after the other. What was under way when a runner ended goes
        first and alone, so that what ends runners is known."""
        conversations: dict[str, list[Any]] = {}
        async with beating(messages):
            for each in messages:
                if each.metadata.sequence.stream in self._pulling.unsettled:
                    await self._suspected(each)
                else:
                    conversations.setdefault(_conversation(each.subject, each.data), []).append(each)
            await asyncio.gather(*(self._in_order(each) for each in conversations.values()))

    async def _in_order(self, messages: Sequence[Any]) -> None:
        for each in messages:
            if not await self._taken(each, tries=0):
                return  # told to end: it and those behind it come again

    async def _suspected(self, message: Any) -> None:
        key = f"{self._scope.env}.{self._scope.tenant}.tries.{message.metadata.sequence.stream}"
        tries = await self._count(key)
        if tries > TRIES_MAX:
            error = Unavailable("Runners ended while they took it.", code="message_poisonous")
            await self._bury(message, error, tries - 1)
        else:
            await self._taken(message, tries=tries)

    async def _count(self, key: str) -> int:
        async def counted(streams: Any) -> int:
            from nats.js.errors import KeyNotFoundError  # the extra `nats`

            bucket = await streams.key_value(BUCKET)
            try:
                tries = int((await bucket.get(key)).value) + 1
            except KeyNotFoundError:
                tries = 1
            await bucket.put(key, str(tries).encode())
            return tries

        while True:
            try:
                return await self._bus.ask(counted)
            except Unavailable:
                await asyncio.sleep(PAUSE_S)

    async def _taken(self, message: Any, *, tries: int) -> bool:
        """Takes one message and acknowledges it; False where it is left for later."""
        while True:
            try:
                await self._say(message.subject, message.data)
            except FOR_GOOD as error:
                await self._bury(message, error, tries)
            except (TooMany, Unavailable):
                if self._pulling.is_draining:
                    return False
                await asyncio.sleep(PAUSE_S)
                continue
            except Exception as error:  # noqa: BLE001 - a fault of ours, or of a package
                told("message from the bus", error)
                tries += 1
                if tries < TRIES_MAX:
                    await asyncio.sleep(PAUSE_S)
                    continue
                await self._bury(message, LichenError("It could not be taken.", code="message_poisonous"), tries)
            else:
                faults.hit("bus.taken")
                await acknowledge(message)
            return True

    async def _say(self, subject: str, data: bytes) -> None:
        way = subjects.way(subject)
        found = self._channels.find(way.channel, way.tenant)
        scope, channel = self._channels.get(way.channel, way.tenant)
        if scope != self._scope or (found.team or TEAM) != way.team:
            raise NotFound("There is no such channel here.", code="channel_unknown")
        mailroom = Mailroom(self._runtime, scope, channel, self._messages)
        match envelopes.brought(way, data):
            case envelopes.Unread(code=code, reason=reason, kept=kept):
                await mailroom.bury(decoded(kept), LichenError(reason, code=code))
            case Report() as report:
                await mailroom.note(report)
            case message:
                await mailroom.take(message)

    async def _bury(self, message: Any, error: LichenError, tries: int) -> None:
        """Makes a dead letter of a message; as long as that cannot be, the message stays where it is."""
        try:
            way = subjects.way(message.subject)
        except Invalid:
            way = Way(self._scope.env, self._scope.tenant, TEAM, subjects.UNNAMED)
        at = datetime.fromtimestamp(self._runtime.engine.services.clock() / 1e6, UTC).isoformat()
        letter = envelopes.buried(way, STAGE, message.data, error, tries=tries, at=at)
        id = f"dlq.{message.metadata.stream}.{message.metadata.sequence.stream}"
        while True:
            try:
                await self._bus.publish(subjects.dead(way.tenant, STAGE), msgspec.json.encode(letter), id=id)
            except Unavailable:
                if self._pulling.is_draining:
                    return None
                await asyncio.sleep(PAUSE_S)
            else:
                return await acknowledge(message)


def _forgetting(runtime: Runtime, scope: Scope) -> Callable[[str, bytes], None]:
    """Has a secret of a scope asked for anew that somebody says was changed where it lies."""

    def heard(subject: str, data: bytes) -> None:
        secrets: object = runtime.engine.services.secrets
        if isinstance(secrets, Forgetful):
            with suppress(LichenError):
                secrets.forget(scope, subject.removeprefix(f"{CHANGED}.{scope.tenant}.{scope.env}."))

    return heard


def _conversation(subject: str, data: bytes) -> str:
    """What a message's conversation is called, as far as its order goes."""
    try:
        return f"{subject} {msgspec.json.decode(data, type=_Session).session_id}"
    except msgspec.MsgspecError:
        return ""


class _Session(msgspec.Struct, frozen=True):
    session_id: str


def _raising(bus: Bus, tenant: str, new_id: Callable[[str], str]) -> Pulling:
    """Puts dead letters of a tenant that are to be taken again where they came from."""

    async def take(messages: Sequence[Any]) -> None:
        for each in messages:
            try:
                way, envelope = envelopes.raised(each.data)
                if way.tenant != tenant:
                    raise Invalid("The letter is another tenant's.", code="envelope_invalid")
                await bus.publish(way.ingress, envelope, id=new_id("replay"))
            except Unavailable:
                return
            except LichenError as error:
                told("dead letter that was to be taken again", error)
            await acknowledge(each)

    return Pulling(bus, Queue(INGRESS, subjects.replay(tenant, STAGE), f"replay_{tenant}"), take)
