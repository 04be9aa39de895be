"""A small world around one engine: scripted planners, tools that do what they are told, a scripted gate.

Time, randomness and the disk are simulated or seeded, so that a scenario happens the same way every time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.words.ids import (
    RunId,
    StreamId,
    run_stream,
    session_stream,
)
from lichen.core.words.scope import PRODUCTION, SYSTEM, Actor, Customer, Environment, Operator, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake.request import Request
from lichen.engine.intake.runs import start
from lichen.engine.journal.journal import Journal
from lichen.engine.local import LocalEngine
from lichen.engine.ports import Channel, Delivery, Listed, Options, Outbound, Services
from lichen.log.log import Log
from lichen.log.sqlite.store import SqliteStore
from lichen.log.store.port import Store
from lichen.log.volume import Volume, VolumeOptions
from lichen.runtime.access.access import Access
from lichen.runtime.operations.runs import Runs
from lichen.runtime.operations.setting import Known
from lichen.runtime.operations.talk.session import Session
from lichen.runtime.operations.talk.sessions import Sessions
from lichen.runtime.operations.waits import Waits
from lichen.testing.clock import SimulatedClock
from lichen.testing.scripted import (
    Does as Does,
)
from lichen.testing.scripted import (
    PlanLine as PlanLine,
)
from lichen.testing.scripted import (
    Script as Script,
)
from lichen.testing.scripted import (
    ScriptedAgent,
    ScriptedGate,
    ScriptedTool,
)
from lichen.testing.scripted import (
    agent as agent,
)
from lichen.testing.scripted import (
    call as call,
)
from lichen.testing.scripted import (
    calls as calls,
)
from lichen.testing.scripted import (
    outcomes as outcomes,
)
from lichen.testing.scripted import (
    refuses as refuses,
)
from lichen.testing.scripted import (
    sleeps as sleeps,
)
from lichen.testing.simulation import close_after_power_loss, open_volume, seeded
from lichen.testing.stores.disk import Disk

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
CUSTOMER = Customer("customer-7")

FakeTool = ScriptedTool
FakeAgent = ScriptedAgent


class Post:
    """A channel that fails as often as it is told to, then delivers."""

    def __init__(self, failures: int = 0) -> None:
        self.tried: list[tuple[str, str]] = []
        self.sent: list[str] = []
        self.received: list[Outbound] = []
        self.failures = failures

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        self.tried.append((message.id, message.saying.text))
        if self.failures:
            self.failures -= 1
            return Delivery("retry", "busy")
        self.received.append(message)
        self.sent.append(message.saying.text)
        return Delivery("delivered")


class World:
    """One engine over a simulated volume. `crash` kills it, `open` opens what is left."""

    def __init__(
        self,
        home: Path,
        clock: SimulatedClock,
        *agents: FakeAgent,
        seed: int = 1,
        options: Options | None = None,
        volume_options: VolumeOptions | None = None,
        over: Callable[[Path], Store] = SqliteStore,
        channels: Mapping[str, Channel] | None = None,
        environment: Environment = PRODUCTION,
        engine: Callable[[Services, Volume], Engine] = LocalEngine,
        **services: Any,
    ) -> None:
        self._make_engine = engine
        self.home, self.clock = home, clock
        self.gate = ScriptedGate()
        self.random = seeded(seed)
        self._services = Services(
            gate=self.gate,
            agents=Listed({each.name: each for each in agents}),
            clock=clock.now_us,
            sleep=clock.sleep,
            new_id=lambda kind: f"{kind}-{self.random(8).hex()}",
            policy_digest=lambda scope: "policy",
            channels=channels or {},
            options=options or Options(),
            environment=lambda scope: environment,
            **services,
        )
        self._volume_options = volume_options or VolumeOptions()
        self.disk = Disk(over)
        self.places = self._services.places
        self.agent = agents[0].name

    async def open(self, *, settles: bool = True) -> World:
        """Opens the directory and takes over what is owed there; unless `settles`, nothing of that was begun yet."""
        options = msgspec.structs.replace(self._volume_options, store=self.disk.open)
        self.volume = open_volume(self.home, clock=self.clock.now_us, random=self.random, options=options)
        self.engine = self._make_engine(self._services, self.volume)
        self.gate.is_unknown = lambda check: (
            check.tool is not None and self.log.is_unknown(check.session, check.tool.name, check.digest)
        )
        access = Access(self.engine)
        self.sessions = Sessions(self.engine, access, lambda: ())
        known = Known(lambda: (), lambda scope, tool: ())
        self.runs = Runs(self.engine, access, known)
        self.waits = Waits(self.engine, access, known)
        self.taken_over = self.engine.start((SCOPE,))
        if settles:
            await self.clock.settle()
        return self

    async def crash(self) -> None:
        """Kills the process: nothing more is appended, and what was not durable is gone."""
        self.disk.cut()
        await self.engine.drain(0.0)
        await close_after_power_loss(self.volume)
        self.volume.keyring.close()

    async def reopen(self) -> None:
        """Kills the process and starts it again."""
        await self.crash()
        await self.open()

    async def close(self) -> None:
        """Ends in order."""
        await self.engine.drain(0.0)
        await self.volume.close()
        self.volume.keyring.close()

    def forget_agents(self) -> None:
        """The next process hosts none of the agents."""
        self._services = msgspec.structs.replace(self._services, agents=Listed({}))

    # -- what happens --------------------------------------------------------------------------------------------

    def request(self, actor: Actor = CUSTOMER, scope: Scope = SCOPE) -> Request:
        """A request of somebody whom nobody asked whether they may."""
        return Request(self.engine, scope, actor)

    async def start(self, text: str = "go", *, key: str | None = None) -> RunId:
        """Starts a run and lets it come to rest."""
        run = await start(self.request(), self.agent, text, key=key)
        await self.clock.settle()
        return run

    async def session(self, *, key: str | None = None, **more: object) -> Session:
        """A session of the customer."""
        return await self.sessions.open(SCOPE, CUSTOMER, agent=self.agent, key=key, **more)  # type: ignore[arg-type]

    async def approve(self) -> None:
        """Approves everything that waits for it."""
        for wait in self.waits.list(SCOPE, OPS, kinds=("approval",)):
            await self.waits.approve(SCOPE, wait.id, OPS)
        await self.clock.settle()

    async def reconcile(self, outcome: str) -> None:
        """A person says what became of everything that is unknown."""
        for wait in self.waits.list(SCOPE, OPS, kinds=("reconcile",)):
            await self.waits.answer(SCOPE, wait.id, outcome, OPS, body={"result": {"ok": True}})  # type: ignore[arg-type]
        await self.clock.settle()

    # -- what can be seen ----------------------------------------------------------------------------------------

    @property
    def journal(self) -> Journal:
        return self.engine.journal(SCOPE)

    @property
    def log(self) -> Log:
        return self.journal.log

    def state(self, run: RunId) -> RunState:
        return self.journal.run(run)

    def controls(self, run: RunId) -> list[e.Control]:
        """Every control of the run, in order."""
        return self._controls(run_stream(run))

    def said(self, session: Session, kind: str = "") -> list[str]:
        """The texts the customer was sent, of one kind or of all."""
        stream = session_stream(session.id)
        return [
            self.log.contents(stream, event.n)["text"].decode()
            for event in self.log.events(stream)
            if isinstance(event.control, e.MessageQueued) and kind in ("", event.control.kind)
        ]

    def streams_in_memory(self, kind: str) -> int:
        """How many streams of this kind the log holds a state of."""
        lives: Any = self.log.lives
        return sum(stream.kind == kind for stream in lives)

    def session_controls(self, session: Session) -> list[e.Control]:
        return self._controls(session_stream(session.id))

    def _controls(self, stream: StreamId) -> list[e.Control]:
        return [event.control for event in self.log.events(stream)]

    def ended(self, run: RunId) -> dict[str, str]:
        """How each call of the run ended, by id."""
        return {
            control.call: control.outcome
            for control in self.controls(run)
            if isinstance(control, e.CallFinished) and control.outcome != "unknown"
        }

    async def answer(self, run: RunId) -> str:
        """The answer of a run that is finished."""
        assert self.state(run).outcome, f"{run} owes {self.runs.explain(SCOPE, run, SYSTEM).summary}"
        return await self.runs.result(SCOPE, run, SYSTEM)
