"""The gateway: the door of all channels in a process that has neither log nor agents. What comes in is proven and read
here, and acknowledged once it is durable on the bus."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, cast

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lichen.channels.bus.connection import Bus
from lichen.channels.bus.envelopes import Unread, noted, unread, written
from lichen.channels.bus.subjects import TEAM, Way
from lichen.channels.platform.files import attachment_of
from lichen.channels.port import ChannelPort, Fetched, Fetching, Inbound, Report
from lichen.core.speech.attached import FILES_BYTES_MAX, FILES_MAX
from lichen.core.words import faults
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.scope import Scope
from lichen.runtime.channels.channels import Channels, Opened
from lichen.runtime.channels.kept import Kept, encoded
from lichen.serve.hooks.room import Room
from lichen.serve.hooks.routes import Door
from lichen.serve.http.headers import NOBODY, SecurityHeaders
from lichen.serve.http.messages import Messages
from lichen.serve.http.state import Site
from lichen.settings import Settings

ID_CHARACTERS_MAX: Final = 256


class BusMailroom(Room):
    """Puts what comes by one tenant's channel on the bus."""

    def __init__(
        self, bus: Bus, way: Way, scope: Scope, channel: ChannelPort, messages: Messages, new_id: Callable[[], str]
    ) -> None:
        super().__init__(scope, channel)
        self._bus, self._way, self._messages, self._new_id = bus, way, messages, new_id

    async def put(self, message: Inbound) -> None:
        """Puts a message on the bus.

        Raises Invalid, TooMany, Unavailable (`bus_away`, `bus_full`).
        """
        if message.id is not None and len(message.id) > ID_CHARACTERS_MAX:
            raise Invalid("The id of this message is too long.", code="message_invalid")
        size = len(message.text.encode()) + len(message.data)
        self._messages.take(self._scope, message.sender.id, conversation=message.conversation, size=size)
        whole = replace(await self._with_files(message), id=message.id or self._new_id())
        faults.hit("bus.read")
        await self._publish(written(self._way, whole), whole.conversation, whole.id or "")
        faults.hit("bus.durable")

    async def bury(self, kept: Kept, error: LichenError) -> None:
        """Puts on the bus what cannot be taken, for the runner's log. Raises Unavailable."""
        data = unread(self._way, Unread(error.code, error.message, encoded(kept)), self._new_id())
        await self._publish(data, "letter", kept.same)

    async def note(self, report: Report) -> None:
        """Puts a report on the bus. Raises Unavailable."""
        said = (report.session, report.message, report.outcome, report.code)
        await self._publish(noted(self._way, report, self._new_id()), "report", *said)

    async def _publish(self, data: bytes, *same: str) -> None:
        """Returns once it is durable on the bus, once for what is the `same`."""
        id = sha256("\0".join((*self._way, *same)).encode()).hexdigest()
        await self._bus.publish(self._way.ingress, data, id=id)

    async def _with_files(self, message: Inbound) -> Inbound:
        """The message with the files that lie at the platform, whose secrets the runner does not have."""
        if not message.files:
            return message
        if not isinstance(self._channel, Fetching):
            raise Invalid("This channel takes no files.", code="attachments_unsupported")
        if len(message.files) > FILES_MAX or sum(each.size_bytes for each in message.files) > FILES_BYTES_MAX:
            raise Invalid("The files of this message are too many or too large.", code="attachments_too_large")
        said: dict[str, Any] = dict(message.envelope or {})
        attached, left = list(cast("list[Any]", said.get("attachments", []))), FILES_BYTES_MAX
        for file in message.files:
            got = await self._channel.fetch(self._scope, file)
            left -= len(got.data if isinstance(got, Fetched) else got)
            if left < 0:
                raise Invalid("The files of this message are too large.", code="attachments_too_large")
            attached.append(attachment_of(file, got))
        return replace(message, envelope={**said, "attachments": attached}, files=())


class BusDoor:
    """Answers what platforms send, once it is on the bus."""

    def __init__(
        self, bus: Bus, channels: Channels, settings: Settings, new_id: Callable[[], str], clock: Callable[[], int]
    ) -> None:
        self._bus, self._channels, self._new_id = bus, channels, new_id
        self._messages = Messages(settings)
        self._door = Door(channels, settings, self._messages, self._room, clock=clock)

    @property
    def routes(self) -> list[BaseRoute]:
        """Where channels are brought to, as in a process that is not apart."""
        return self._door.routes

    def mailroom(self, name: str, tenant: str) -> BusMailroom:
        """Where a channel's messages go. Raises NotFound (`channel_unknown`), Unavailable (`plugin_broken`)."""
        return self._room(self._channels.find(name, tenant), *self._channels.get(name, tenant))

    def _room(self, opened: Opened, scope: Scope, channel: ChannelPort) -> BusMailroom:
        way = Way(scope.env, scope.tenant, opened.team or TEAM, opened.name)
        return BusMailroom(self._bus, way, scope, channel, self._messages, self._new_id)


def make_gateway(door: BusDoor, bus: Bus) -> Starlette:
    """The gateway as an application: the routes of all channels, and whether it can take anything."""

    async def alive(request: Request) -> Response:
        return Response(b'{"status":"alive"}', media_type="application/json")

    async def ready(request: Request) -> Response:
        status, reasons = (200, b"[]") if bus.is_connected else (503, b'["bus_away"]')
        body = b'{"ready":%s,"reasons":%s}' % (b"true" if status == 200 else b"false", reasons)
        return Response(body, status, media_type="application/json")

    routes = [Route("/healthz", alive), Route("/readyz", ready), *door.routes]
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders, frames=lambda path: NOBODY)])
    return Site().of(app)
