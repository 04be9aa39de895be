"""The channels of all tenants, and the way out of each: the engine knows a channel by its name alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from lichen.channels.cards.capabilities import capabilities_of, kinds
from lichen.channels.port import Asking, ChannelPort, Trusted
from lichen.core.words.errors import LichenError, NotFound, Unavailable
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Channel, Delivery, Outbound, Services, Traits
from lichen.runtime.channels.host import ChannelHost
from lichen.tools.egress.reach import Reach


class Opened(msgspec.Struct, frozen=True):
    """One tenant's channel, or what is wrong with the package that brings it."""

    name: str
    scope: Scope
    channel: ChannelPort | LichenError
    kind: str = ""
    team: str = ""
    host: ChannelHost | None = None


class Channels:
    """What the tenants of a project have besides the web chat."""

    def __init__(self, opened: Sequence[Opened] = ()) -> None:
        self._opened: Mapping[tuple[str, str], Opened] = {(each.name, each.scope.tenant): each for each in opened}

    @property
    def names(self) -> frozenset[str]:
        """Which channels somebody has."""
        return frozenset(name for name, _ in self._opened)

    @property
    def working(self) -> tuple[tuple[Scope, ChannelPort], ...]:
        """Those that can be used, each with the scope of its conversations."""
        return tuple(
            (each.scope, each.channel) for each in self._opened.values() if not isinstance(each.channel, LichenError)
        )

    @property
    def all(self) -> tuple[Opened, ...]:
        """Every one, also those that do not work."""
        return tuple(self._opened.values())

    def begin(self, services: Services, reach: Reach, journal_of: Callable[[Scope], Journal]) -> None:
        """Gives each a runtime."""
        for each in self._opened.values():
            if each.host is not None:
                each.host.begin(services, reach, journal_of)

    def find(self, name: str, tenant: str) -> Opened:
        """A tenant's channel, also one that does not work. Raises NotFound (`channel_unknown`)."""
        found = self._opened.get((name, tenant))
        if found is None:
            step = "Declare [tenants.NAME.CHANNEL] in lichen.toml, or add one: `lichen channel add`."
            raise NotFound("There is no such channel here.", code="channel_unknown", next_step=step)
        return found

    def get(self, name: str, tenant: str) -> tuple[Scope, ChannelPort]:
        """A tenant's channel, and where its conversations belong.

        Raises NotFound (`channel_unknown`), whether or not there is such a tenant, Unavailable (`plugin_broken`).
        """
        found = self.find(name, tenant)
        if isinstance(found.channel, LichenError):
            raise Unavailable("This channel does not work.", code="plugin_broken", next_step="Run `lichen doctor`.")
        return found.scope, found.channel

    def outlets(self) -> Mapping[str, Channel]:
        """The ways out, by the name of the channel."""
        return {name: _Outlet(self, name) for name in self.names}


class _Outlet:
    """The way out of one channel for every tenant."""

    def __init__(self, channels: Channels, name: str) -> None:
        self._channels, self._name = channels, name

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Hands one message to the channel of its tenant; while there is none it is kept and tried again."""
        try:
            channel = self._channel(scope)
        except LichenError as error:
            return Delivery("retry", error.code)
        return await channel.send(scope, message)

    def traits(self, scope: Scope) -> Traits:
        """What may be relied on at the platform; of a channel that is not there, nothing is."""
        try:
            channel = self._channel(scope)
        except LichenError:
            return Traits("doubles")
        traits = channel.traits if isinstance(channel, Trusted) else Traits()
        kind = self._channels.find(self._name, scope.tenant).kind
        return replace(traits, choices_max=capabilities_of(kind).choices_max) if kind in kinds() else traits

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether the platform has this message, where it can be asked."""
        channel = self._channel(scope)
        return await channel.has(scope, message) if isinstance(channel, Asking) else None

    def _channel(self, scope: Scope) -> ChannelPort:
        """The tenant's channel. Raises NotFound (`channel_unknown`), Unavailable (`plugin_broken`)."""
        own, channel = self._channels.get(self._name, scope.tenant)
        if own != scope:
            raise NotFound("The channel is of another environment by now.", code="channel_unknown")
        return channel
