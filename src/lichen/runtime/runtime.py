"""The runtime: one data directory, its engine, its gate, and the agents it hosts."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, assert_never

import msgspec

from lichen.agents.agent import Agent
from lichen.core import events as e
from lichen.core.call import ToolSpec
from lichen.core.errors import Invalid, NotFound, Unavailable
from lichen.core.ids import TENANT_STREAM, RunId, SessionId, run_stream, session_stream
from lichen.core.scope import PRODUCTION, SYSTEM, Actor, Scope
from lichen.core.wording import DEFAULT, Texts, Wording
from lichen.engine.intake import Intake
from lichen.engine.local import LocalEngine
from lichen.engine.ports import Channel, Options, Services
from lichen.gate.gate import PolicyGate
from lichen.gate.policies import PolicySet, load_policies, starter_policies
from lichen.gate.switches import StopKind
from lichen.log.apikeys import ApiKey
from lichen.log.backup import backup, backup_keys
from lichen.log.export import export
from lichen.log.keys import Keyring
from lichen.log.lock import DirectoryLock
from lichen.log.log import Log
from lichen.log.verify import verify
from lichen.log.volume import Volume, VolumeOptions
from lichen.runtime.hosting import family, hosted, specs_of
from lichen.runtime.proof import Verification, verification
from lichen.runtime.quota import Quota
from lichen.runtime.register import Key, Name, Person, Register
from lichen.runtime.runs import Runs
from lichen.runtime.sessions import Sessions
from lichen.runtime.state import StateStore
from lichen.runtime.waits import Waits
from lichen.runtime.withdrawal import JournalOf
from lichen.settings import Settings
from lichen.tools.failure import failure_of
from lichen.tools.placement import Workers

SWITCH_INTERVAL_S = 0.0005  # the writer thread gets the interpreter back soon enough to keep commits small
COLLECT_AFTER_OBJECTS = 50_000
RECOVER_S = 1.0
STOPPED = "An operator stopped this."
STARTER_NOTICE = (
    "No policies are given, so the starter policy applies: tools run, except that those with effect `once` wait for an "
    "operator's approval."
)


class Health(msgspec.Struct, frozen=True):
    """How the runtime is: `ok`, or `readonly` while the volume cannot write."""

    status: str
    home: str
    driven: int
    timers: int
    clock_jumps: int
    agents: tuple[str, ...]
    notices: tuple[str, ...]


class Runtime:
    """Hosts agents over one data directory. Use it as an async context manager:

        async with Runtime.open("./data", agents=[support], policies="policies/") as runtime:
            session = await runtime.sessions.open(Scope("acme", "dev"), Customer("customer-7"))

    Entering raises Unavailable (`data_dir_in_use`) when another process owns the directory, Invalid when a policy
    does not load, Corrupt (`log_rolled_back`) when the log is older than the head that was remembered.
    """

    sessions: Sessions
    runs: Runs
    waits: Waits

    def __init__(
        self,
        home: Path,
        agents: Sequence[Agent],
        policies: Callable[[Scope], PolicySet],
        *,
        scopes: Sequence[Scope] = (),
        channels: Mapping[str, Channel] | None = None,
        texts: Texts | None = None,
        options: Options | None = None,
        settings: Settings | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.home = home
        self.agents = tuple(agents)
        self.settings = settings
        self.notices: tuple[str, ...] = ()
        self._policies = policies
        self._scopes = tuple(scopes)
        self._channels = dict(channels or {})
        self._texts = texts
        self._options = options or Options()
        self._clock = clock
        self._random = random
        self._recovering: asyncio.Task[None] | None = None
        self._digests: dict[Scope, str] = {}

    @classmethod
    def open(
        cls,
        home: str | Path,
        *,
        agents: Sequence[Agent],
        policies: str | Path | None = None,
        channels: Mapping[str, Channel] | None = None,
        texts: Texts | None = None,
        options: Options | None = None,
    ) -> Runtime:
        """A runtime over `home`. `policies` is a directory of Cedar files for every tenant, or one with a
        subdirectory per tenant; without it the starter policy applies and says so."""
        specs = specs_of(agents)
        if policies is None:
            starter = starter_policies(specs)
            runtime = cls(Path(home), agents, lambda scope: starter, channels=channels, texts=texts, options=options)
            runtime.notices = (STARTER_NOTICE,)
            return runtime
        root, loader = Path(policies), _Loader(specs)
        return cls(
            Path(home),
            agents,
            lambda scope: loader.load(_policy_directory(root, scope)),
            channels=channels,
            texts=texts,
            options=options,
        )

    @classmethod
    def of(cls, settings: Settings, *, channels: Mapping[str, Channel] | None = None) -> Runtime:
        """The runtime of a project: every tenant, environment and policy directory of its `lichen.toml`."""
        specs = specs_of(settings.agents)
        starter, loader = starter_policies(specs), _Loader(specs)

        def policies(scope: Scope) -> PolicySet:
            directory = settings.tenants[scope.tenant].policies
            return starter if directory is None else loader.load(settings.root / directory)

        runtime = cls(
            settings.home, settings.agents, policies, scopes=settings.scopes, channels=channels, settings=settings
        )
        runtime.notices = tuple(
            f"{name}: {STARTER_NOTICE}" for name, tenant in settings.tenants.items() if tenant.policies is None
        )
        return runtime

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        _prepare_process()
        self.workers = Workers()
        journal_of: JournalOf = lambda scope: self.engine.journal(scope)  # noqa: E731 - the engine comes later
        state = StateStore(journal_of)
        agents = {agent.name: hosted(agent, self.workers, state, journal_of) for agent in family(self.agents)}
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open_volume()
        self.gate = PolicyGate(
            {},
            clock=self._clock,
            digest=lambda scope, data: self.log(scope).digest(data).hex(),
            load=lambda scope, key: self.log(scope).meter(key),
            is_unknown=lambda scope, session, tool, digest: self.log(scope).is_unknown(session, tool, digest),
            pseudonym=lambda scope, actor: self.log(scope).name(actor),
            wording=self.wording,
            describe=failure_of,
        )
        self._services = Services(
            gate=self.gate,
            agents=agents,
            clock=self._clock,
            sleep=asyncio.sleep,
            new_id=self._new_id,
            policy_digest=self._digests.__getitem__,
            channels=self._channels,
            attributes={"home": str(self.home)},
            wording=self.wording,
            options=self._options,
            quota=Quota(self.settings, self.log, self._clock).check,
            environment=self.settings.environment if self.settings else lambda scope: PRODUCTION,
        )
        self.register = Register(self._counts)
        self.engine = LocalEngine(self._services, self.volume, opened=self._opened)
        self.intake = Intake(self.engine)
        self.sessions = Sessions(self.engine, self.intake, tuple(agent.name for agent in self.agents))
        self.runs = Runs(self.engine, self.intake)
        self.waits = Waits(self.engine, self.intake)
        try:
            self._begin()
        except BaseException:
            await self._close()
            raise
        return self

    def _open_volume(self) -> None:
        """The lock first: whoever comes second learns that, and touches neither keys nor logs."""
        lock = DirectoryLock(self.home)
        try:
            self.keyring = Keyring.open(self.home / "keys", self._random)
        except BaseException:
            lock.release()
            raise
        try:
            self.volume = Volume.open(
                self.home,
                keyring=self.keyring,
                clock=self._clock,
                random=self._random,
                options=VolumeOptions(lock=lock),
            )
        except BaseException:  # the volume has let go of the lock
            self.keyring.close()
            raise

    def _begin(self) -> None:
        """Loads every policy first, so that a broken one stops the start; then takes over what is owed."""
        known = {*self._scopes, *self.volume.scopes()}
        scopes = tuple(sorted(known, key=lambda scope: scope.log_id()))
        for scope in scopes:
            self.engine.journal(scope)
        self.engine.start(scopes)
        self._recovering = asyncio.ensure_future(self._recover())

    def _opened(self, scope: Scope, log: Log) -> None:
        """Puts the scope's policies in force before anything is decided there."""
        self._load(scope)
        self._remind(scope, log)

    def _remind(self, scope: Scope, log: Log) -> None:
        """Tells the gate what the log knows, and to forget what it does not."""
        self.gate.forget(scope)
        for open_call in log.reservations():
            self.gate.restore(scope, open_call.run, open_call.call, open_call.reservations)
        for stop in log.stops():
            kind, _, name = stop.partition(":")
            self.gate.stop(scope, stop_kind(kind), name, STOPPED)

    def _load(self, scope: Scope) -> str:
        policies = self._policies(scope)
        self.gate.replace(scope, policies)
        self._digests[scope] = policies.digest
        return policies.digest

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(grace_s=0.0 if kind else 10.0)
        await self._close()

    async def drain(self, *, grace_s: float = 10.0) -> None:
        """Starts nothing new and lets what is in flight end. Nothing is lost by leaving earlier."""
        await self.engine.drain(grace_s)

    async def _close(self) -> None:
        if self._recovering is not None:
            self._recovering.cancel()
        self.register.close()
        await self.volume.close()
        self.keyring.close()
        await self.workers.close()

    async def idle(self) -> None:
        """Returns once nothing is in flight: only waits and timers are left."""
        await self.engine.idle()

    async def _recover(self) -> None:
        """Brings a volume that stopped writing back as soon as it can write again."""
        while True:
            await self.volume.failed()
            self.engine.suspend()
            while True:
                await asyncio.sleep(RECOVER_S)
                try:
                    await self.volume.recover()
                except Unavailable:
                    continue
                break
            for scope in self.engine.scopes:
                self._remind(scope, self.log(scope))
            self.engine.resume()

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{self._random(12).hex()}"

    def wording(self, scope: Scope) -> Wording:
        """The languages of a tenant, and what the runtime itself says in them."""
        if self.settings is not None and scope.tenant in self.settings.tenants:
            return self.settings.wording(scope.tenant)
        return Wording() if self._texts is None else Wording(texts={DEFAULT: self._texts})

    # -- log -----------------------------------------------------------------------------------------------------

    def log(self, scope: Scope) -> Log:
        """The log of a scope."""
        return self.volume.log(scope)

    @property
    def channels(self) -> Collection[str]:
        """The names of the channels that messages are pushed to."""
        return self._channels

    def health(self) -> Health:
        """How the runtime is now."""
        return Health(
            status="readonly" if self.volume.is_readonly else "ok",
            home=str(self.home),
            driven=self.engine.driven,
            timers=len(self.engine.wheel),
            clock_jumps=len(self.volume.clock_jumps),
            agents=tuple(agent.name for agent in self.agents),
            notices=self.notices,
        )

    async def erase(self, scope: Scope, subject: Actor, by: Actor) -> tuple[int, ...]:
        """Destroys the keys of everything a subject said or that was said about them. Returns the ids of the keys.

        What is open about the subject ends first. The log still verifies and runs still list; nobody can read the
        contents again, in backups neither.
        """
        log = self.log(scope)
        pseudonym = log.name(subject)
        await self.intake.end_all(scope, pseudonym, by)
        erased = await log.erase(pseudonym, self._new_id("erasure"), by=log.name(by))
        self.register.end(Person(scope, pseudonym))
        return erased

    async def verify(self, scope: Scope) -> Verification:
        """Reads every record of the data directory again, derives everything from them, and compares; see RECORD.md."""
        log = self.log(scope)
        remembered = self.keyring.remembered_head(log.id)
        report = await asyncio.to_thread(
            verify,
            self.home,
            public_keys={log.id: log.public_key for log in map(self.log, self.volume.scopes())},
            remembered=() if remembered is None else (remembered,),
        )
        return verification(report, log.id)

    async def export(
        self, scope: Scope, *, run: RunId | None = None, session: SessionId | None = None, record: int | None = None
    ) -> bytes:
        """The records of a run, a session with its runs, the record at a position, or the whole log, each with its
        proof and the signed head."""
        log = self.log(scope)
        if record is not None:
            return await export(log, range(record, record + 1))
        if run is not None:
            return await export(log, run_stream(run))
        return await export(log, range(1, log.last_seq + 1) if session is None else session_stream(session))

    async def backup(self, to: Path, keys: Path | None = None) -> None:
        """Copies the logs to the new folder `to`, and the keys, if wanted, to another place. Raises Invalid."""
        for scope in self.volume.scopes():
            await self.log(scope).durable()
        await asyncio.to_thread(backup, self.home, to)
        if keys is not None:
            await asyncio.to_thread(backup_keys, self.keyring, keys)

    # -- kill switch ---------------------------------------------------------------------------------------------

    async def stop(self, scope: Scope, kind: str, name: str, by: Actor, *, reason: str = "") -> None:
        """From now on nothing of this tenant, agent, tool or run begins an effect. Durable when this returns.

        `kind` is `tenant`, `agent`, `tool` or `run`. Raises Invalid (`stop_invalid`).
        """
        self.gate.stop(scope, stop_kind(kind), name, reason or STOPPED)
        await self._changed(scope, "stop", f"{kind}:{name}", by)

    async def start(self, scope: Scope, kind: str, name: str, by: Actor) -> None:
        """Takes a stop back, once that is durable."""
        stopped = stop_kind(kind)
        await self._changed(scope, "start", f"{kind}:{name}", by)
        self.gate.start(scope, stopped, name)

    async def _changed(self, scope: Scope, kind: Any, name: str, by: Actor) -> None:
        journal = self.engine.journal(scope)
        changed = e.Changed(kind, name, "", self._new_id("change"))
        journal.append({TENANT_STREAM: (e.Draft(changed),)}, actor=journal.log.name(by))
        await journal.log.durable_stream(TENANT_STREAM)

    # -- keys ----------------------------------------------------------------------------------------------------

    async def issue_key(
        self, scope: Scope, actor: Actor, *, by: Actor | None = None, valid_s: int | None = None
    ) -> str:
        """The text of a new API key for `actor`, once that is durable and in the log. It is told once.

        Raises Unavailable (`keys_readonly`, `volume_readonly`).
        """
        key = await asyncio.to_thread(
            self.keyring.api_keys.issue,
            scope.tenant,
            scope.env,
            actor_kind=actor.kind,
            actor_id=actor.id,
            roles=actor.roles,
            expires_at_us=None if valid_s is None else self._clock() + valid_s * 1_000_000,
        )
        id = key.split("_")[1]
        try:
            await self._changed(scope, "key", f"issued:{id}", by or SYSTEM)
        except BaseException:
            self.keyring.api_keys.revoke(id)  # nobody was told of it
            raise
        return key

    def keys(self, scope: Scope) -> tuple[ApiKey, ...]:
        """The API keys of a scope, expired ones included, without their secrets."""
        return tuple(key for key in self.keyring.api_keys.list() if (key.tenant, key.env) == (scope.tenant, scope.env))

    async def revoke_key(self, scope: Scope, id: str, *, by: Actor | None = None) -> None:
        """Makes a key of the scope worthless at once; the log says so. Raises NotFound (`api_key_missing`)."""
        if id not in {key.id for key in self.keys(scope)}:
            raise NotFound("There is no such key in this scope.", code="api_key_missing")
        await asyncio.to_thread(self.keyring.api_keys.revoke, id)
        self.register.end(Key(id))
        await self._changed(scope, "key", f"revoked:{id}", by or SYSTEM)

    def _counts(self, name: Name) -> bool:
        """Whether what is open in a name may stay open."""
        match name:
            case Key():
                return self.keyring.api_keys.find(name.id, self._clock()) is not None
            case Person():
                return not self.engine.journal(name.scope).is_erased(name.pseudonym)
            case _:
                assert_never(name)

    # -- policies ------------------------------------------------------------------------------------------------

    async def reload(self, scope: Scope, by: Actor = SYSTEM) -> str:
        """Loads the policies of a scope again. The old ones stay in force when the new ones do not load.

        Returns the digest of what is in force. Raises Invalid (`policy_syntax`, `policy_schema`) with the place.
        """
        digest = self._load(scope)
        await self._changed(scope, "policy", digest, by)
        return digest


def _prepare_process() -> None:
    """Keeps the interpreter off the hot path: short thread switches, and rare collections of what is young only.

    State, records and drafts form no cycles and are not tracked at all, so nothing is lost by collecting rarely.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 50)


def stop_kind(text: str) -> StopKind:
    """What a kill switch can be for. Raises Invalid (`stop_invalid`)."""
    if text in ("tenant", "agent", "tool", "run"):
        return text
    raise Invalid(
        f"There is no kill switch for {text!r}.", code="stop_invalid", next_step="Use tenant, agent, tool or run."
    )


class _Loader:
    """Loads directories of policies. One that many tenants share is compiled once, until it changes."""

    def __init__(self, specs: Sequence[ToolSpec]) -> None:
        self._specs = specs
        self._known: dict[Path, tuple[object, PolicySet]] = {}

    def load(self, directory: Path) -> PolicySet:
        """The policies of a directory; what is wrong with them is named by its full path."""
        files = sorted(directory.glob("*"))
        stand = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        known = self._known.get(directory)
        if known is None or known[0] != stand:
            known = self._known[directory] = (stand, self._fresh(directory))
        return known[1]

    def _fresh(self, directory: Path) -> PolicySet:
        try:
            return load_policies(directory, self._specs)
        except Invalid as error:
            place = str(directory / error.place) if error.place else str(directory)
            raise Invalid(error.message, code=error.code, next_step=error.next_step, place=place) from error


def _policy_directory(root: Path, scope: Scope) -> Path:
    own = root / scope.tenant
    if own.is_dir():
        return own
    if any(root.glob("*.cedar")):
        return root
    raise Invalid(
        f"There are no policies for tenant {scope.tenant!r}.",
        code="policies_missing",
        place=str(root),
        next_step=f"Write {own}/*.cedar, or leave `policies` out to use the starter policy.",
    )
