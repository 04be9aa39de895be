"""How a runtime is put together: ports to adapters, in the order in which they need each other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from lichen.agents.agent import Agent
from lichen.agents.models.prices import PriceList
from lichen.agents.providers.remote import clients_held
from lichen.agents.ways.ways import Ways
from lichen.core.deciders import events as e
from lichen.core.ports.call import Resources
from lichen.core.ports.model import Model
from lichen.core.ports.secrets import SEALED, Secrets, Source
from lichen.core.remote.server import Server
from lichen.core.remote.stores import Stores
from lichen.core.remote.tools import Offer, Remote
from lichen.core.speech.wording import Wording
from lichen.core.state.port import States
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import AgentName, RunId, run_stream
from lichen.core.words.scope import Actor, Environment, Scope
from lichen.engine.brief.memory import Memories
from lichen.engine.engine import Engine
from lichen.engine.local import LocalEngine
from lichen.engine.ports import PATIENCE_S, UNBOUNDED, Channel, Options, Services
from lichen.gate.gate import PolicyGate
from lichen.gate.secrets.sealed import SealedSecrets
from lichen.gate.secrets.sources import Sources, built_in
from lichen.gate.vaults.kinds import Vaults
from lichen.log.disk.lock import DirectoryLock
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Log
from lichen.log.store.port import Store
from lichen.log.volume import Volume, VolumeOptions
from lichen.runtime import interpreter
from lichen.runtime.access.quota import Quota
from lichen.runtime.access.register import Credential, Key, Name, Person, Register
from lichen.runtime.entries.files import AccessSource
from lichen.runtime.entries.places import Places
from lichen.runtime.given.components import COMPILED, component_key
from lichen.runtime.given.connections import Reaching
from lichen.runtime.given.files import Files
from lichen.runtime.given.sharing import Sharing, sharing
from lichen.runtime.given.state import StateStore
from lichen.runtime.given.telling import Tellers
from lichen.runtime.given.withdrawal import JournalOf, Journals
from lichen.runtime.operations.governing.stops import STOPPED, reason_of, stop_kind
from lichen.runtime.project.catalog import FOLDER as CATALOG
from lichen.runtime.project.catalog import Catalog, Lender
from lichen.runtime.project.hosting import Hosted, guarded, hosted, specs_of
from lichen.runtime.project.policies import InForce, PolicySource
from lichen.runtime.project.prompts import Prompts
from lichen.runtime.project.secretkinds import maker
from lichen.runtime.servers.servers import Servers
from lichen.runtime.servers.vouching import Vouching, https
from lichen.runtime.state.connection import Redis
from lichen.runtime.state.in_log import LogStates
from lichen.settings.breakers import breaker_of
from lichen.settings.providers import ProviderTable
from lichen.tools.clad.backends.server_tool import Passing
from lichen.tools.clad.jailed import begun, jailed
from lichen.tools.clad.runner import Commands
from lichen.tools.clad.sessions.sessions import Over, Sessions
from lichen.tools.egress.reach import Reach
from lichen.tools.failure import failure_of
from lichen.tools.guarded import Breakers
from lichen.tools.wasm.component_tool import ComponentHost
from lichen.tools.wasm.port import Surroundings
from lichen.tools.workers.placement import Workers

if TYPE_CHECKING:
    from lichen.runtime.access.credentials import Credentials
    from lichen.runtime.packs.brought import Brought
    from lichen.settings import Settings

ID_BYTES = 12
IDS_DRAWN = 64
RECOVER_S = 1.0


class Blueprint(msgspec.Struct, frozen=True):
    """What a runtime is made of."""

    home: Path
    agents: tuple[Agent, ...]
    policies: PolicySource
    scopes: tuple[Scope, ...]
    channels: Mapping[str, Channel]
    options: Options
    wording: Callable[[Scope], Wording]
    environment: Callable[[Scope], Environment]
    settings: Settings | None
    clock: Callable[[], int]
    random: Callable[[int], bytes]
    new_id: Callable[[str], str]
    takes_over: bool = True  # what its logs owe
    volume: VolumeOptions = VolumeOptions()
    secrets: Secrets | None = None  # where every secret comes from, instead of where the settings say
    stand_ins: Mapping[AgentName, Model] = {}  # what answers in the place of an agent's models
    prompts: Path | None = None
    shares: Path | None = None  # the data directory with whose processes it shares what it learns of models
    remote: Remote | None = None  # what agents have of others' servers, instead of what the settings say
    packs: tuple[Brought, ...] = ()  # that brought some of the agents


class Ids:
    """Ids nobody can guess. Chance is drawn for many at once: to draw it lets another thread go first each time."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._drawn = _drawn(random)

    def new(self, kind: str) -> str:
        """An id of this kind of thing."""
        return f"{kind}-{next(self._drawn)}"


def _drawn(random: Callable[[int], bytes]) -> Iterator[str]:
    while True:
        drawn = random(ID_BYTES * IDS_DRAWN).hex()
        for start in range(0, len(drawn), 2 * ID_BYTES):
            yield drawn[start : start + 2 * ID_BYTES]


class Book:
    """What the gate asks the logs."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def digest(self, scope: Scope, data: bytes) -> str:
        """The keyed digest of data, in hexadecimal."""
        return self._volume.log(scope).digest(data).hex()

    def meter(self, scope: Scope, key: str) -> tuple[int, int]:
        """What is reserved and what is paid under a key."""
        return self._volume.log(scope).meter(key)

    def is_unknown(self, scope: Scope, session: str | None, tool: str, digest: bytes) -> bool:
        """Whether nobody knows how such a call ended there."""
        return self._volume.log(scope).is_unknown(session, tool, digest)

    def pseudonym(self, scope: Scope, actor: Actor) -> str:
        """The actor's pseudonym there."""
        return self._volume.log(scope).pseudonym(actor)


def run_over(journal_of: JournalOf) -> Over:
    """Says when a run that goes on now is over."""

    async def over(scope: Scope, run: RunId) -> None:
        await journal_of(scope).watch(run_stream(run), e.RunFinished).next()

    return over


class Wiring:
    """The adapters of a runtime: `keyring` and `volume` are open, and the engine has not begun."""

    def __init__(
        self, blueprint: Blueprint, workers: Workers, keyring: Keyring, volume: Volume, shared: Sharing
    ) -> None:
        self.blueprint = blueprint
        self.keyring, self.volume = keyring, volume
        book = Book(volume)
        self.gate = PolicyGate(
            {},
            clock=volume.steady_us,  # a clock that goes back gives nobody a second budget of the day
            digest=book.digest,
            load=book.meter,
            is_unknown=book.is_unknown,
            pseudonym=book.pseudonym,
            wording=blueprint.wording,
            describe=failure_of,
            path_of=Places(lambda: self.catalog.agents).of,
        )
        journal_of: JournalOf = lambda scope: self.engine.journal(scope)  # noqa: E731 - the engine comes later
        memories = Memories(journal_of, lambda name, scope: self.catalog.get(name, scope))
        self.reach = Reach()
        commands = Commands(jailed, blueprint.clock, (str(blueprint.home),))
        self.sessions = Sessions(begun, run_over(journal_of), commands.hides)
        passing = Passing(lambda scope, wanted: self.remote.tools(scope, wanted))
        self.redis = Redis("" if blueprint.settings is None else blueprint.settings.state.url, os.environ)
        self.states = self._states(journal_of)
        self.tellers = Tellers()
        resources = Resources(
            workers, StateStore(journal_of, self.states), Journals(journal_of), memories, self.reach, commands,
            passing, self.sessions, self.tellers, _components(blueprint, self.states),
        )  # fmt: skip

        def host(agent: Agent) -> Hosted:
            return hosted(agent, resources, self.breakers)

        settings = blueprint.settings
        self.breakers = Breakers(blueprint.clock, breaker_of if settings is None else settings.breaker)
        self.sealed = SealedSecrets(keyring.secrets_folder, keyring.master)
        self.vaults = Vaults(Stores() if settings is None else settings.stores, os.environ, blueprint.clock)
        self.secrets = _sources(blueprint, self.sealed, self.vaults)

        def fits(scope: Scope, offer: Offer) -> None:
            self.in_force.check(scope, offer)

        def moved(scope: Scope) -> None:
            self.in_force.load(scope)

        self.servers = Servers(
            _servers_of(blueprint),
            volume.log,
            journal_of,
            self.secrets,
            self.sealed,
            blueprint.new_id,
            fits,
            moved,
            Vouching(https, blueprint.clock),
        )
        self.remote = remote = blueprint.remote or self.servers
        self.in_force = InForce(
            self.gate, blueprint.policies, blueprint.clock, remote, AccessSource(blueprint.settings)
        )
        self.catalog = Catalog(
            blueprint.home,
            blueprint.agents,
            host,
            remote,
            guard=lambda tool: guarded(tool, self.breakers),
            lender=_lender(blueprint),
            packs=blueprint.packs,
        )
        self.ways = Ways(blueprint.clock, lambda: _chance(blueprint.random), windows=shared.windows)
        self.prompts = Prompts(blueprint.prompts, None if blueprint.settings is None else blueprint.settings.root)
        self.services = self._services(workers, shared)
        self.engine: Engine = LocalEngine(self.services, volume, opened=self._opened)
        self.credentials = _credentials(blueprint, journal_of, self.secrets)
        self.register = Register(self._counts)

    def _services(self, workers: Workers, shared: Sharing) -> Services:
        """What performing an obligation needs besides the log."""
        blueprint, settings = self.blueprint, self.blueprint.settings
        quota = Quota(blueprint.settings, self.volume.log, blueprint.clock)
        return Services(
            gate=self.gate,
            agents=self.catalog,
            clock=blueprint.clock,
            sleep=asyncio.sleep,
            new_id=blueprint.new_id,
            policy_digest=self.in_force.digest,
            channels=blueprint.channels,
            files=Files(blueprint.home).of,
            places=workers,
            wording=blueprint.wording,
            options=blueprint.options,
            quota=quota.check,
            file_bytes=quota.file_bytes,
            files_quota=quota.check_files,
            environment=blueprint.environment,
            secrets=self.secrets,
            connections=Reaching(_table_of(blueprint), self.secrets, os.environ, shared.salt),
            prompts=self.prompts.of,
            stand_ins=blueprint.stand_ins,
            prices=PriceList({} if settings is None else settings.models.prices, blueprint.clock),
            budgets=settings.budgets if settings is not None else lambda scope: UNBOUNDED,
            patience_s=PATIENCE_S if settings is None else settings.models.patience_s,
            tags=(lambda model: ()) if settings is None else settings.models.tags_of,
            keeps_requests=settings is None or settings.models.keep_requests,
            reach=self.ways.reach,
            owning=self.volume,
        )

    def _states(self, journal_of: JournalOf) -> States:
        """Where state is kept: as the settings say, else in the log."""
        settings = self.blueprint.settings
        kind = "log" if settings is None else settings.state.kind
        match kind:
            case "log":
                return LogStates(journal_of, self.blueprint.clock)
            case "redis":
                from lichen.runtime.state.on_redis import RedisStates
                from lichen.runtime.state.sealing import Sealing

                return RedisStates(self.redis, Sealing(self.keyring))
            case _:
                assert_never(kind)

    def secret_names(self, scope: Scope) -> frozenset[str]:
        """The secrets that an environment has by name: those its settings name, and those that were sealed."""
        settings = self.blueprint.settings
        named = settings.secret_names(scope) if settings is not None else ()
        return frozenset(named) | self.sealed.names(scope)

    def hosted(self) -> tuple[Agent, ...]:
        """The agents that are hosted now."""
        return self.catalog.agents

    def add(self, agent: Agent) -> None:
        """Hosts one agent more. Raises Conflict (`registration_closed`)."""
        self.catalog.register(agent)
        self.in_force.source.learn(specs_of(self.catalog.agents))
        for scope in self.engine.scopes:
            self.in_force.load(scope)

    def begin(self) -> None:
        """Loads every policy first, so that a broken one stops the start; then takes over what is owed, if it may."""
        known = {*self.blueprint.scopes, *self.volume.scopes()}
        scopes = tuple(sorted(known, key=lambda scope: scope.log_id()))
        for scope in scopes:
            self.engine.journal(scope)
        self.engine.start(scopes if self.blueprint.takes_over else ())

    def _opened(self, scope: Scope, log: Log) -> None:
        """Puts the scope's policies in force before anything is decided there."""
        self.in_force.load(scope)
        self._remind(scope, log)

    def _remind(self, scope: Scope, log: Log) -> None:
        """Tells the gate what the log knows, and to forget what it does not."""
        self.gate.forget(scope)
        for open_call in log.reservations():
            self.gate.restore(scope, open_call.run, open_call.call, open_call.reservations)
        for stop, n in log.stops().items():
            kind, _, name = stop.partition(":")
            self.gate.stop(scope, stop_kind(kind), name, reason_of(log, n) or STOPPED)

    def _counts(self, name: Name) -> bool:
        """Whether what is open in a name may stay open."""
        match name:
            case Key():
                return self.keyring.api_keys.find(name.id, self.blueprint.clock()) is not None
            case Credential():
                return self.credentials is not None and self.credentials.stands(name)
            case Person():
                return not self.engine.journal(name.scope).is_erased(name.pseudonym)
            case _:
                assert_never(name)

    async def recover(self) -> None:
        """Brings a volume that stopped writing back as soon as it can write again, for ever."""
        while True:
            await self.volume.failed()
            self.engine.suspend()
            while not await self._is_back():
                pass
            for scope in self.engine.scopes:
                self._remind(scope, self.volume.log(scope))
            self.engine.resume()

    async def _is_back(self) -> bool:
        await asyncio.sleep(RECOVER_S)
        try:
            await self.volume.recover()
        except Unavailable:
            return False
        return True


def _servers_of(blueprint: Blueprint) -> Callable[[Scope], Mapping[str, Server]]:
    settings = blueprint.settings
    return settings.servers if settings is not None else lambda scope: {}


def _credentials(blueprint: Blueprint, journal_of: JournalOf, secrets: Secrets) -> Credentials | None:
    """Who looks at credentials of other people's agents; None where none of them counts anywhere."""
    settings = blueprint.settings
    if settings is None or not settings.agentpin:
        return None
    from lichen.runtime.access.credentials import Credentials
    from lichen.runtime.access.domains import doors_of

    doors = doors_of(settings, https, blueprint.clock)
    return Credentials(doors, journal_of, blueprint.clock, blueprint.new_id, secrets)


def _lender(blueprint: Blueprint) -> Lender | None:
    """Who keeps the packs whose components agents ask; None where the project names none."""
    if not blueprint.packs or blueprint.settings is None:
        return None
    from lichen.runtime.packs.lending import Lending  # for projects with packs only
    from lichen.runtime.packs.shelf import Shelf

    denied = frozenset(each.removeprefix("sha256:") for each in blueprint.settings.packs.denied)
    return Lending(blueprint.home, Shelf(blueprint.home / CATALOG), denied)


def _table_of(blueprint: Blueprint) -> Callable[[Scope, str], ProviderTable]:
    settings = blueprint.settings
    return settings.provider if settings is not None else lambda scope, name: ProviderTable()


def _chance(random: Callable[[int], bytes]) -> float:
    """Something from 0 to 1, without 1."""
    return int.from_bytes(random(4), "big") / 2**32


def _sources(blueprint: Blueprint, sealed: SealedSecrets, vaults: Vaults) -> Sources:
    """Where secrets come from: one place that was given, else where the settings say, else the sealed file."""
    own, settings = blueprint.secrets, blueprint.settings
    if own is not None:
        return Sources(lambda scope, name: Source("own"), lambda source: own)
    make = maker({**built_in(os.environ, sealed), **vaults.kinds})
    return Sources(settings.secret if settings is not None else lambda scope, name: SEALED, make)


@asynccontextmanager
async def wired(blueprint: Blueprint) -> AsyncGenerator[Wiring]:
    """A runtime's adapters at work. They are let go of in the reverse order of their making.

    Raises Unavailable (`data_dir_in_use`), Invalid when a policy does not load, Corrupt (`log_rolled_back`).
    """
    interpreter.collect_rarely()
    interpreter.settle()
    blueprint.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(clients_held())
        workers = Workers(hides=tuple(map(str, filter(None, (blueprint.home, blueprint.shares)))))
        stack.push_async_callback(workers.close)
        keyring, volume = _opened(blueprint)
        stack.callback(keyring.close)
        stack.push_async_callback(volume.close)
        is_guest = blueprint.shares != blueprint.home
        shared = await stack.enter_async_context(
            sharing(blueprint.shares, blueprint.clock, blueprint.random, is_guest=is_guest)
        )
        wiring = Wiring(blueprint, workers, keyring, volume, shared)
        stack.callback(wiring.vaults.close)
        stack.push_async_callback(wiring.redis.close)
        stack.push_async_callback(wiring.servers.close)
        stack.push_async_callback(wiring.reach.close)
        stack.push_async_callback(wiring.sessions.close)
        stack.callback(wiring.register.close)
        wiring.begin()
        recovering = asyncio.ensure_future(wiring.recover())
        stack.callback(recovering.cancel)
        yield wiring


def _components(blueprint: Blueprint, states: States) -> ComponentHost:
    """What components have of this runtime. The key that vouches for their code is made with the first of them."""
    home = blueprint.home
    return ComponentHost(
        states,
        home / COMPILED,
        lambda: component_key(home, blueprint.random),
        around=Surroundings(blueprint.clock, blueprint.random),
    )


def _store(blueprint: Blueprint) -> dict[str, Callable[[Path], Store]]:
    """Where logs lie, if the settings say that it is in no file."""
    table = None if blueprint.settings is None else blueprint.settings.store
    if table is None or table.kind == "sqlite":
        return {}
    from lichen.runtime.given.stores import postgres  # for projects with a Postgres only

    return {"store": lambda home: postgres(table, os.environ)}


def _opened(blueprint: Blueprint) -> tuple[Keyring, Volume]:
    """The lock first: whoever comes second learns that, and touches neither keys nor logs."""
    lock = DirectoryLock(blueprint.home)
    try:
        keyring = Keyring.open(blueprint.home / "keys", blueprint.random)
    except BaseException:
        lock.release()
        raise
    try:
        volume = Volume.open(
            blueprint.home,
            keyring=keyring,
            clock=blueprint.clock,
            random=blueprint.random,
            options=msgspec.structs.replace(blueprint.volume, lock=lock, announces_late=True, **_store(blueprint)),
        )
    except BaseException:  # the volume has let go of the lock
        keyring.close()
        raise
    return keyring, volume
