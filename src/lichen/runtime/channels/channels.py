"""The channels of all tenants, and the way out of each: the engine knows a channel by its name alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from lichen.channels.cards.capabilities import capabilities_of, kinds
from lichen.channels.cards.planning import plan
from lichen.channels.port import Asking, ChannelPort, ChannelSettings, Source, Trusted
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import LichenError, NotFound, Unavailable
from lichen.core.words.scope import Environment, Scope
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Channel, Delivery, Outbound, Services, Traits
from lichen.runtime.channels.host import ChannelHost
from lichen.runtime.channels.traffic import Counted, Sent, Traffic
from lichen.tools.egress.reach import Reach


class Opened(msgspec.Struct, frozen=True):
    """One tenant's channel, or what is wrong with the package that brings it."""

    name: str
    scope: Scope
    channel: ChannelPort | LichenError
    kind: str = ""
    team: str = ""
    host: ChannelHost | None = None
    settings: ChannelSettings | None = None
    table: Mapping[str, Any] = {}

    @property
    def is_source(self) -> bool:
        """Whether it listens by itself, and so begins and ends with the process."""
        return not isinstance(self.channel, LichenError) and isinstance(self.channel, Source)

    @property
    def path(self) -> str:
        """Where its platform brings messages, below the address that the world knows."""
        return f"/v1/messaging/ingress/{self.name}/{self.scope.tenant}" + (f"/{self.team}" if self.team else "")

    def secrets(self) -> tuple[str, ...]:
        """What its settings refer to as secrets: `secret:NAME`, `env:VARIABLE`."""
        said = () if self.settings is None else msgspec.structs.astuple(self.settings)
        texts: list[object] = []
        for value in said:
            texts += cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        return tuple(text for text in texts if isinstance(text, str) and text.startswith(("secret:", "env:")))


class Renewed(NamedTuple):
    """Which channels are others than before, as `TENANT/NAME`, and which are only after a restart. `are_all`: the file
    says nothing else than before."""

    changed: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    are_all: bool = False


class _Given(NamedTuple):
    services: Services
    reach: Reach
    journal_of: Callable[[Scope], Journal]


class Channels:
    """What the tenants of a project have besides the web chat."""

    def __init__(self, opened: Sequence[Opened] = ()) -> None:
        self._opened: Mapping[tuple[str, str], Opened] = {(each.name, each.scope.tenant): each for each in opened}
        self._given: _Given | None = None
        self._apart: Reach | None = None
        self._over: Callable[[str, Channel], Channel] = lambda name, outlet: outlet
        self._traffic: Traffic | None = None

    @property
    def names(self) -> frozenset[str]:
        """Which channels somebody has."""
        return frozenset(name for name, _ in self._opened)

    def names_of(self, tenant: str) -> frozenset[str]:
        """The channels of a tenant."""
        return frozenset(name for name, of in self._opened if of == tenant)

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
        self._given, self._traffic = _Given(services, reach, journal_of), Traffic(services.clock)
        for each in self._opened.values():
            if each.host is not None:
                each.host.begin(*self._given)

    def lend(self, opened: Opened, secrets: Mapping[str, Secret]) -> None:
        """Gives a channel that is none of these a runtime, and values that count for it before those that are kept."""
        if opened.host is not None and self._given is not None:
            opened.host.begin(*self._given)
            opened.host.lend(secrets)

    def reach(self) -> Reach:
        """How the channels ask others, once they have begun."""
        found = self._apart if self._given is None else self._given.reach
        assert found is not None, "whoever asks has begun them"
        return found

    def renew(self, found: Channels, scopes: Collection[Scope]) -> Renewed:
        """Puts what the tables say now in force, for the `scopes` that there are; what is as before stays as it is."""
        now, changed, later = dict(self._opened), list[str](), list[str]()
        for key in sorted({*self._opened, *found._opened}):
            old, new = self._opened.get(key), found._opened.get(key)
            if old is not None and new is not None and (old.table, old.scope) == (new.table, new.scope):
                continue
            told = f"{key[1]}/{key[0]}"
            if any(each is not None and each.is_source for each in (old, new)) or (new and new.scope not in scopes):
                later.append(told)
                continue
            changed.append(told)
            now.pop(key, None)
            if new is not None:
                now[key] = new
            if new is not None and new.host is not None and self._given is not None:
                new.host.begin(*self._given)
        self._opened = now
        return Renewed(tuple(changed), tuple(later))

    def secrets(self, scope: Scope) -> frozenset[str]:
        """The secrets of a scope that channels are handed, by name."""
        own = (each for each in self._opened.values() if each.scope == scope)
        references = (reference.partition(":") for each in own for reference in each.secrets())
        return frozenset(name for kind, _, name in references if kind == "secret")

    def begin_apart(self, reach: Reach, environment: Callable[[Scope], Environment], clock: Callable[[], int]) -> None:
        """Gives each what it needs where there is no runtime."""
        self._apart = reach
        for each in self._opened.values():
            if each.host is not None:
                each.host.begin_apart(reach, environment, clock)

    def send_over(self, over: Callable[[str, Channel], Channel]) -> None:
        """Has every way out that is made from now on lead over another one, which is made of its name and itself."""
        self._over = over

    def find(self, name: str, tenant: str) -> Opened:
        """A tenant's channel, also one that does not work. Raises NotFound (`channel_unknown`)."""
        found = self._opened.get((name, tenant))
        if found is None:
            step = "Declare [tenants.NAME.CHANNEL] in lichen.toml, or add one: `lichen channel add`."
            raise NotFound("There is no such channel here.", code="channel_unknown", next_step=step)
        return found

    def of_kind(self, kind: str, tenant: str) -> Opened:
        """The channel of a kind that a tenant has; where it has several, the one that is called as its kind is.

        Raises NotFound (`channel_unknown`).
        """
        found = [each for each in self._opened.values() if each.scope.tenant == tenant and each.kind == kind]
        return found[0] if len(found) == 1 else self.find(kind, tenant)

    def get(self, name: str, tenant: str) -> tuple[Scope, ChannelPort]:
        """A tenant's channel, and where its conversations belong.

        Raises NotFound (`channel_unknown`), whether or not there is such a tenant, Unavailable (`plugin_broken`).
        """
        found = self.find(name, tenant)
        if isinstance(found.channel, LichenError):
            raise Unavailable("This channel does not work.", code="plugin_broken", next_step="Run `lichen doctor`.")
        return found.scope, found.channel

    def outlet(self, name: str) -> Channel:
        """The way out of a channel for every tenant that has one of this name."""
        outlet = self._over(name, _Outlet(self, name))
        return outlet if self._traffic is None else Counted(name, outlet, self._traffic)

    def sent(self, scope: Scope, name: str) -> Sent:
        """What a channel of a scope was handed since the process began."""
        return Sent() if self._traffic is None else self._traffic.of(scope, name)

    def outlets(self, more: Mapping[str, Channel] = {}) -> Mapping[str, Channel]:
        """The ways out, by the name of the channel, as they are whenever one is asked for; `more` come first."""
        return _Outlets(self, more)


class _Outlets(Mapping[str, Channel]):
    def __init__(self, channels: Channels, more: Mapping[str, Channel]) -> None:
        self._channels, self._more = channels, dict(more)

    def __getitem__(self, name: str) -> Channel:
        if name in self._more:
            return self._more[name]
        if name not in self._channels.names:
            raise KeyError(name)
        return self._channels.outlet(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._more, *sorted(self._channels.names))))

    def __len__(self) -> int:
        return len(self._more.keys() | self._channels.names)


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
        delivery = await channel.send(scope, message)
        if delivery.outcome != "delivered" or delivery.warnings:
            return delivery
        return replace(delivery, warnings=_lost(self._channels.find(self._name, scope.tenant).kind, message))

    def traits(self, scope: Scope) -> Traits:
        """What may be relied on at the platform; of a channel that is not there, nothing is."""
        try:
            channel = self._channel(scope)
        except LichenError:
            return Traits("doubles")
        traits = channel.traits if isinstance(channel, Trusted) else Traits()
        kind = self._channels.find(self._name, scope.tenant).kind
        if kind not in kinds():
            return traits
        return replace(traits, choices_max=min(traits.choices_max, capabilities_of(kind).choices_max))

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


def _lost(kind: str, message: Outbound) -> tuple[str, ...]:
    """What a platform shows of a message with less; nothing is said of a kind of which nothing is known."""
    if message.saying.card is None or kind not in kinds():
        return ()
    return plan(message.saying, capabilities_of(kind)).warnings
