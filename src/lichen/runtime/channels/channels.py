"""The channels of all tenants, and the way out of each: the engine knows a channel by its name alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lichen.channels.port import ChannelPort
from lichen.core.words.errors import LichenError, NotFound, Unavailable
from lichen.core.words.scope import Scope
from lichen.engine.ports import Channel, Delivery, Outbound


class Opened(msgspec.Struct, frozen=True):
    """One tenant's channel, or what is wrong with the package that brings it."""

    name: str
    scope: Scope
    channel: ChannelPort | LichenError


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

    def get(self, name: str, tenant: str) -> tuple[Scope, ChannelPort]:
        """A tenant's channel, and where its conversations belong.

        Raises NotFound (`channel_unknown`), whether or not there is such a tenant, Unavailable (`plugin_broken`).
        """
        found = self._opened.get((name, tenant))
        if found is None:
            step = "Declare [tenants.NAME.CHANNEL] in lichen.toml."
            raise NotFound("There is no such channel here.", code="channel_unknown", next_step=step)
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
            own, channel = self._channels.get(self._name, scope.tenant)
        except LichenError as error:
            return Delivery("retry", error.code)
        return await channel.send(scope, message) if own == scope else Delivery("retry", "channel_unknown")
