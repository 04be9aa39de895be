"""Webhooks: `/v1/messaging/ingress/CHANNEL/TENANT[/TEAM]`, and whatever a platform adds to it; the same without `/v1`,
and with `events` for `messaging`. At addresses that name no tenant (`UNNAMED`) a verified token does, or the host.

A request is verified by its channel before anything else is done with it; it is acknowledged once everything in it is
durable, in its conversation or as a dead letter, and what is brought a second time is taken once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from lichen.channels.port import Arrival, ChannelPort, Following, Inbound, Reply, Replying
from lichen.core.words.errors import Denied, Invalid, LichenError, NotFound, TooMany, Unauthenticated, Unavailable
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.channels.channels import Channels, Opened
from lichen.runtime.channels.kept import Kept
from lichen.runtime.operations.talk.taking import check_actor
from lichen.runtime.runtime import Runtime
from lichen.serve.hooks.answers import Afterwards, behind, response
from lichen.serve.hooks.composing import Composing
from lichen.serve.hooks.gateway import Mailroom
from lichen.serve.hooks.room import Room
from lichen.serve.hooks.tokens import Claimed, Tokens
from lichen.serve.http.errors import INTERNAL, failure
from lichen.serve.http.exchange import read_body
from lichen.serve.http.limits import Rates, client_of
from lichen.serve.http.lines import broken
from lichen.serve.http.messages import Messages
from lichen.settings import Settings

PREFIXES: Final = tuple(f"{v}/{domain}/ingress" for v in ("/v1", "") for domain in ("messaging", "events"))
UNNAMED: Final = {
    "/messaging/telegram/webhook": "telegram",
    "/slack/events": "slack",
    "/slack/interactive": "slack",
    "/teams/activities": "teams",
    "/whatsapp/webhook": "whatsapp",
    "/webex/webhook": "webex",
    "/webhook/{rest}": "webhook",
}
"""Addresses that name no tenant, and the kind of channel that each is of."""
METHODS: Final = ("GET", "POST")
MESSAGES_MAX: Final = 100  # of one request
FORGERIES_PER_S, FORGERIES_BURST = 1.0, 60  # of one address


def hook_routes(runtime: Runtime, messages: Messages) -> list[BaseRoute]:
    """The routes of every tenant's channels, over a running runtime; none without a project."""
    if runtime.project is None or runtime.settings is None:
        return []
    composing = Composing(runtime.engine.services.sleep)

    def room_of(opened: Opened, scope: Scope, channel: ChannelPort) -> Room:
        return Mailroom(runtime, scope, channel, messages, composing)

    channels = runtime.project.channels
    return Door(channels, runtime.settings, messages, room_of, clock=runtime.engine.services.clock).routes


RoomOf = Callable[[Opened, Scope, ChannelPort], Room]
"""Where what comes by a channel goes."""


class Door:
    """Answers what platforms send."""

    def __init__(
        self, channels: Channels, settings: Settings, messages: Messages, room_of: RoomOf, *, clock: Callable[[], int]
    ) -> None:
        self._channels, self._tenants, self._messages = channels, settings.tenants, messages
        self._room_of, self._clock = room_of, clock
        self._forgeries = Rates(per_s=FORGERIES_PER_S, burst=FORGERIES_BURST)
        self._afterwards = Afterwards()
        self._tokens = Tokens(settings.issuers, settings.root, channels.reach, clock)

    @property
    def routes(self) -> list[BaseRoute]:
        """Where channels are brought to: at addresses that name a tenant, and at those that do not."""
        paths = ("/{channel}/{tenant}", "/{channel}/{tenant}/{rest:path}")
        router = Router([Route(path, self.answer, methods=METHODS) for path in paths], redirect_slashes=False)
        named = [Mount(prefix, app=router) for prefix in PREFIXES]
        return [*named, *(Route(path, self.by_host(kind), methods=METHODS) for path, kind in UNNAMED.items())]

    async def answer(self, request: Request) -> Response:
        """What the channel's platform is answered."""
        named = request.path_params

        def find(claimed: Claimed | None) -> Opened:
            found = self._channels.find(named["channel"], named["tenant"])
            if claimed is not None:
                claimed.check(found)
            return found

        return await self._answer(request, find)

    def by_host(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        """What answers at an address that names no tenant: a verified token does, else the host, and that tenant's own
        secret proves it. Where both name one, it is the same."""

        def find(request: Request, claimed: Claimed | None) -> Opened:
            if claimed is None:
                return self._channels.of_kind(kind, self._tenant_of(request))
            found, name = claimed.pick(kind, self._channels.all), request.url.hostname
            owner = next((each for each, tenant in self._tenants.items() if name in tenant.hosts), claimed.tenant)
            if owner != claimed.tenant:
                step = "Use the host of the tenant that the token is for, or one that is nobody's."
                raise Denied("The token is for another tenant than the host.", code="tenant_other", next_step=step)
            return found

        async def answer(request: Request) -> Response:
            return await self._answer(request, lambda claimed: find(request, claimed))

        return answer

    def _tenant_of(self, request: Request) -> str:
        """Whose host a request came to; the only tenant where there is one. Raises NotFound (`host_unknown`)."""
        tenants = self._tenants
        name = request.url.hostname
        found = [each for each, tenant in tenants.items() if name in tenant.hosts]
        if not found and len(tenants) == 1:
            found = [each for each, tenant in tenants.items() if not tenant.hosts]
        if len(found) != 1:
            step = "Name it in `hosts` of [tenants.NAME], or use the address that names the tenant."
            raise NotFound("No tenant is reached by this name of the host.", code="host_unknown", next_step=step)
        return found[0]

    async def _answer(self, request: Request, find: Callable[[Claimed | None], Opened]) -> Response:
        """The answer. Nothing a package raises leaves but in our own words."""
        try:
            named, opened = request.path_params, find(await self._claimed(request))
            scope, channel = self._channels.get(opened.name, opened.scope.tenant)
            rest = named.get("rest", "")
            path = behind(opened.team, rest) if "tenant" in named else rest
            return await self._answered(request, self._room_of(opened, scope, channel), (scope, channel), path)
        except LichenError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001 - a package may raise anything; the log has its place
            broken("webhook", error)
            return failure(INTERNAL)

    async def _claimed(self, request: Request) -> Claimed | None:
        """What a verified token of the request says; None where it bears none of ours."""
        try:
            return await self._tokens.claimed(request.headers)
        except (Denied, Unauthenticated):
            self._forgeries.take(client_of(request))
            raise

    async def _answered(self, request: Request, room: Room, of: tuple[Scope, ChannelPort], path: str) -> Response:
        scope, channel = of
        arrival = self._arrival(request, await read_body(request))
        try:
            sender = await channel.verify(scope, arrival)
        except (Denied, Unauthenticated):
            self._forgeries.take(client_of(request))
            raise
        if sender is not None:
            check_actor(channel, sender)
        self._messages.webhook(scope, len(arrival.body))
        messages = await _read(room, scope, channel, arrival, sender, path)
        await room.take_all(messages or (), arrival, sender, path)
        await room.reported(arrival)
        if messages is not None and isinstance(channel, Following):
            self._afterwards.follow(channel, scope, arrival)
        return response(channel.reply(scope, arrival) if isinstance(channel, Replying) else Reply())

    def _arrival(self, request: Request, body: bytes) -> Arrival:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Arrival(request.method, request.url.path, dict(request.query_params), headers, body, self._clock())


async def _read(
    room: Room, scope: Scope, channel: ChannelPort, arrival: Arrival, sender: Actor | None, path: str
) -> Sequence[Inbound] | None:
    """The messages in a verified request; None where what was posted cannot be read: it is a dead letter then."""
    try:
        messages = [replace(each, path=path) for each in channel.parse(scope, arrival, sender)]
        if len(messages) > MESSAGES_MAX:
            raise Invalid(f"A request brings at most {MESSAGES_MAX} messages.", code="messages_too_many")
    except Exception as error:
        if arrival.method == "GET" or isinstance(error, TooMany | Unavailable):
            raise  # nothing is lost: it can be asked again
        if not isinstance(error, LichenError):
            broken("webhook, while it was read", error)
            error = Invalid("The channel could not read this.", code="channel_failed")
        await room.bury(Kept(arrival, sender, path=path), error)
        return None
    return messages
