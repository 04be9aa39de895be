"""The gateway: the door of all channels in a process that has neither log nor agents. What comes in is proven and read
here, and acknowledged once it is durable on the bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, cast

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router

from lichen.channels.bus.connection import Bus
from lichen.channels.bus.envelopes import written
from lichen.channels.bus.subjects import TEAM, Way
from lichen.channels.platform.files import attachment_of
from lichen.channels.port import Arrival, ChannelPort, Fetched, Fetching, Following, Inbound, Reply, Replying
from lichen.core.speech.attached import FILES_BYTES_MAX, FILES_MAX
from lichen.core.words import faults
from lichen.core.words.errors import Denied, Invalid, LichenError, Unauthenticated
from lichen.core.words.scope import Scope
from lichen.runtime.channels.channels import Channels
from lichen.serve.hooks.answers import Afterwards, behind, response
from lichen.serve.hooks.routes import FORGERIES_BURST, FORGERIES_PER_S, MESSAGES_MAX, METHODS, PREFIXES
from lichen.serve.http.errors import INTERNAL, failure
from lichen.serve.http.exchange import read_body
from lichen.serve.http.headers import NOBODY, SecurityHeaders
from lichen.serve.http.limits import Rates, client_of
from lichen.serve.http.lines import broken
from lichen.serve.http.messages import Messages
from lichen.serve.http.state import Site
from lichen.settings import Settings

ID_CHARACTERS_MAX: Final = 256


class BusMailroom:
    """Puts the messages of one tenant's channel on the bus. Implements `Gateway`."""

    def __init__(
        self, bus: Bus, way: Way, scope: Scope, channel: ChannelPort, messages: Messages, new_id: Callable[[], str]
    ) -> None:
        self._bus, self._way, self._scope, self._channel, self._messages = bus, way, scope, channel, messages
        self._new_id = new_id

    async def take(self, message: Inbound) -> None:
        """Returns once the message is durable on the bus.

        Raises Invalid, TooMany, Unavailable (`bus_away`, `bus_full`).
        """
        if message.id is not None and len(message.id) > ID_CHARACTERS_MAX:
            raise Invalid("The id of this message is too long.", code="message_invalid")
        size = len(message.text.encode()) + len(message.data)
        self._messages.take(self._scope, message.sender.id, conversation=message.conversation, size=size)
        whole = replace(await self._with_files(message), id=message.id or self._new_id())
        id = sha256("\0".join((*self._way, whole.conversation, whole.id or "")).encode()).hexdigest()
        faults.hit("bus.read")
        await self._bus.publish(self._way.ingress, written(self._way, whole), id=id)
        faults.hit("bus.durable")

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
    """Answers what platforms send."""

    def __init__(self, bus: Bus, channels: Channels, settings: Settings, new_id: Callable[[], str]) -> None:
        self._bus, self._channels, self._new_id = bus, channels, new_id
        self._messages = Messages(settings)
        self._forgeries = Rates(per_s=FORGERIES_PER_S, burst=FORGERIES_BURST)
        self._afterwards = Afterwards()

    def mailroom(self, name: str, tenant: str) -> BusMailroom:
        """Where a channel's messages go. Raises NotFound (`channel_unknown`), Unavailable (`plugin_broken`)."""
        scope, channel = self._channels.get(name, tenant)
        way = Way(scope.env, scope.tenant, self._channels.find(name, tenant).team or TEAM, name)
        return BusMailroom(self._bus, way, scope, channel, self._messages, self._new_id)

    async def answer(self, request: Request) -> Response:
        """What the channel's platform is answered. Nothing a package raises leaves but in our own words."""
        try:
            return await self._answered(request, request.path_params)
        except LichenError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001 - a package may raise anything; the log has its place
            broken("webhook", error)
            return failure(INTERNAL)

    async def _answered(self, request: Request, named: Mapping[str, str]) -> Response:
        opened = self._channels.find(named["channel"], named["tenant"])
        scope, channel = self._channels.get(opened.name, opened.scope.tenant)
        path = behind(opened.team, named.get("rest", ""))
        arrival = _arrival(request, await read_body(request), 0 if opened.host is None else opened.host.now_us())
        try:
            sender = await channel.verify(scope, arrival)
        except (Denied, Unauthenticated):
            self._forgeries.take(client_of(request))
            raise
        messages = channel.parse(scope, arrival, sender)
        await self._take(self.mailroom(opened.name, scope.tenant), [replace(each, path=path) for each in messages])
        if isinstance(channel, Following):
            self._afterwards.follow(channel, scope, arrival)
        return response(channel.reply(scope, arrival) if isinstance(channel, Replying) else Reply())

    async def _take(self, mailroom: BusMailroom, messages: Sequence[Inbound]) -> None:
        """Takes all that can be taken, and then raises what the first was refused with."""
        if len(messages) > MESSAGES_MAX:
            raise Invalid(f"A request brings at most {MESSAGES_MAX} messages.", code="messages_too_many")
        refused: list[LichenError] = []
        for message in messages:
            try:
                await mailroom.take(message)
            except LichenError as error:
                refused.append(error)
        if refused:
            raise refused[0]


def make_gateway(door: BusDoor, bus: Bus) -> Starlette:
    """The gateway as an application: the routes of all channels, and whether it can take anything."""

    async def alive(request: Request) -> Response:
        return Response(b'{"status":"alive"}', media_type="application/json")

    async def ready(request: Request) -> Response:
        status, reasons = (200, b"[]") if bus.is_connected else (503, b'["bus_away"]')
        body = b'{"ready":%s,"reasons":%s}' % (b"true" if status == 200 else b"false", reasons)
        return Response(body, status, media_type="application/json")

    paths = ("/{channel}/{tenant}", "/{channel}/{tenant}/{rest:path}")
    router = Router([Route(path, door.answer, methods=METHODS) for path in paths], redirect_slashes=False)
    routes = [Route("/healthz", alive), Route("/readyz", ready), *(Mount(prefix, app=router) for prefix in PREFIXES)]
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders, frames=lambda path: NOBODY)])
    return Site().of(app)


def _arrival(request: Request, body: bytes, now_us: int) -> Arrival:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Arrival(request.method, request.url.path, dict(request.query_params), headers, body, now_us)
