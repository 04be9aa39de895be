"""What every engine must do, however it schedules. An adapter's test subclasses it and says how to make one."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.ports.call import CallMeta, Retry
from lichen.core.ports.plan import Plan
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import RunId, SessionId, run_stream, session_stream
from lichen.core.words.scope import Actor, Customer, Operator, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake import messages, runs, sessions
from lichen.engine.intake.request import Request
from lichen.engine.ports import Listed, Options, Services
from lichen.log.volume import Volume, VolumeOptions
from lichen.testing.clock import SimulatedClock
from lichen.testing.scripted import ScriptedAgent, ScriptedGate, ScriptedTool, agent, calls, outcomes, refuses, sleeps
from lichen.testing.simulation import close_after_power_loss, open_volume, seeded
from lichen.testing.stores.disk import Disk
from lichen.testing.stores.memory import MemoryStore

SCOPE = Scope("acme", "dev")
CUSTOMER = Customer("customer-7")
OPS = Operator("ops", ("operator",))


class Stage:
    """One engine over a simulated volume. `crash` kills it, `open` opens what is left."""

    def __init__(self, suite: EngineConformance, home: Path, clock: SimulatedClock) -> None:
        self._suite, self._home, self.clock = suite, home, clock
        self._random = seeded(1)
        self.is_open = False
        memory = MemoryStore()
        self.disk = Disk(lambda home: memory)

    async def open(self, *agents: ScriptedAgent, options: Options | None = None) -> Engine:
        """An engine that hosts these agents and has taken over what is owed."""
        self.services = Services(
            gate=ScriptedGate(),
            agents=Listed({each.name: each for each in agents}),
            clock=self.clock.now_us,
            sleep=self.clock.sleep,
            new_id=lambda kind: f"{kind}-{self._random(8).hex()}",
            policy_digest=lambda scope: "policy",
            options=options or Options(),
        )
        self.agents = agents
        self.volume = open_volume(
            self._home,
            clock=self.clock.now_us,
            random=self._random,
            options=VolumeOptions(store=self.disk.open),
        )
        self.engine = self._suite.engine(self.services, self.volume)
        self.is_open = True
        self.taken_over = self.engine.start((SCOPE,))
        return self.engine

    async def crash(self) -> None:
        """Kills the process: what was not durable is gone."""
        self.is_open = False
        self.disk.cut()
        await self.engine.drain(0.0)
        await close_after_power_loss(self.volume)
        self.volume.keyring.close()

    async def close(self) -> None:
        """Ends in order."""
        if self.is_open:
            await self.engine.drain(0.0)
            await self.volume.close()
            self.volume.keyring.close()

    def request(self, actor: Actor) -> Request:
        """A request of somebody, who may."""
        return Request(self.engine, SCOPE, actor)

    async def start(self) -> RunId:
        """Starts a run of the first agent and lets it come to rest."""
        run = await runs.start(self.request(CUSTOMER), self.agents[0].name, "go")
        await self.clock.settle()
        return run

    def state(self, run: RunId) -> RunState:
        """The run now."""
        return self.engine.journal(SCOPE).run(run)

    def count(self, run: RunId, kind: type[e.Control]) -> int:
        """How many records of a kind the run has."""
        events = self.engine.journal(SCOPE).log.events(run_stream(run))
        return sum(isinstance(event.control, kind) for event in events)


class EngineConformance:
    """Subclass it as `Test…` and give `engine`."""

    def engine(self, services: Services, volume: Volume) -> Engine:
        """A new engine over this volume, not yet started."""
        raise NotImplementedError

    @pytest.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[Stage]:
        with SimulatedClock() as clock:
            stage = Stage(self, tmp_path, clock)
            yield stage
            await stage.close()

    @pytest.mark.req("LIC-34.13")
    async def test_a_run_that_began_goes_on_to_its_end(self, stage: Stage) -> None:
        look = ScriptedTool("shop.look")
        engine = await stage.open(agent("shop.bot", [calls("shop.look"), outcomes], [look]))
        run = await runs.start(stage.request(CUSTOMER), stage.agents[0].name, "go")
        await engine.idle()
        assert stage.state(run).outcome == "completed"
        assert len(look.entered) == 1
        assert engine.driven == engine.timers == 0

    @pytest.mark.req("LIC-34.13")
    async def test_the_messages_of_a_session_have_their_turns_in_order(self, stage: Stage) -> None:
        engine = await stage.open(agent("shop.bot", [Plan(answer="done")]))
        name = stage.agents[0].name
        session = sessions.session_id(stage.request(CUSTOMER), name, channel="api", key="one")
        await sessions.open_session(stage.request(CUSTOMER), session, sessions.Opening(name))
        for text in ("one", "two", "three"):
            await messages.say(messages.Coming(stage.request(CUSTOMER), session, messages.read(text)))
        await engine.idle()
        assert self._turns(engine, session) == [("m1",), ("m2",), ("m3",)]

    def _turns(self, engine: Engine, session: SessionId) -> list[tuple[str, ...]]:
        controls = [event.control for event in engine.journal(SCOPE).log.events(session_stream(session))]
        opened = [control for control in controls if isinstance(control, (e.TurnOpened, e.TurnClosed))]
        assert [type(control) for control in opened] == [e.TurnOpened, e.TurnClosed] * (len(opened) // 2)
        return [control.messages for control in opened if isinstance(control, e.TurnOpened)]

    @pytest.mark.req("LIC-34.13")
    @pytest.mark.parametrize(("effects", "entered"), [("none", 2), ("idempotent", 2), ("once", 1)])
    async def test_what_a_crash_cut_off_is_settled_by_whoever_takes_over(
        self, stage: Stage, effects: Any, entered: int
    ) -> None:
        async def does(meta: CallMeta) -> bytes:
            if len(pay.entered) == 1:
                pay.happen(meta)
                await asyncio.sleep(1_000)
            return b"{}"

        pay = ScriptedTool("shop.pay", effects, does=does, has_probe=True, timeout_s=2_000)
        await stage.open(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
        run = await stage.start()
        assert len(pay.entered) == 1
        await stage.crash()
        engine = await stage.open(*stage.agents)
        assert stage.taken_over == 1
        await engine.idle()
        assert stage.state(run).outcome == "completed"
        assert stage.count(run, e.Owned) == 1
        assert len(pay.entered) == entered

    @pytest.mark.req("LIC-34.13")
    async def test_what_is_no_longer_owed_is_cancelled(self, stage: Stage) -> None:
        cancelled: list[str] = []

        async def does(meta: CallMeta) -> bytes:
            try:
                await asyncio.sleep(1_000)
            except asyncio.CancelledError:
                cancelled.append(meta.call)
                raise
            return b"{}"

        slow = ScriptedTool("shop.slow", does=does, timeout_s=2_000)
        engine = await stage.open(agent("shop.bot", [calls("shop.slow", "shop.slow"), outcomes], [slow]))
        run = await stage.start()
        await runs.cancel(stage.request(OPS), run)
        await engine.idle()
        assert stage.state(run).outcome == "cancelled"
        assert sorted(cancelled) == ["c1", "c2"]

    @pytest.mark.req("LIC-34.13")
    async def test_what_waits_is_no_work_and_comes_back_when_it_is_due(self, stage: Stage) -> None:
        flaky = ScriptedTool("shop.flaky", does=refuses(times=1), retry=Retry(attempts=2, backoff_s=60))
        engine = await stage.open(agent("shop.bot", [calls("shop.flaky"), outcomes], [flaky]))
        run = await stage.start()
        await engine.idle()
        assert not stage.state(run).outcome
        assert engine.timers > 0
        await stage.clock.advance(61)
        assert stage.state(run).outcome == "completed"
        assert [meta.attempt for meta in flaky.entered] == [1, 2]

    @pytest.mark.req("LIC-34.13")
    async def test_draining_takes_nothing_new_and_lets_calls_end(self, stage: Stage) -> None:
        slow = ScriptedTool("shop.slow", does=sleeps(5), timeout_s=100)
        engine = await stage.open(agent("shop.bot", [calls("shop.slow"), outcomes], [slow]))
        run = await stage.start()
        draining = asyncio.ensure_future(engine.drain(10))
        await stage.clock.settle()
        with pytest.raises(Unavailable, match="draining"):
            await stage.start()
        await stage.clock.advance(6)
        await draining
        assert stage.count(run, e.CallFinished) == 1
        assert not stage.state(run).outcome

    @pytest.mark.req("LIC-34.13")
    async def test_it_takes_no_more_than_it_may_have_in_flight(self, stage: Stage) -> None:
        slow = ScriptedTool("shop.slow", does=sleeps(5), timeout_s=100)
        bot = agent("shop.bot", [calls("shop.slow"), outcomes], [slow])
        await stage.open(bot, options=Options(runs_max=8))
        with pytest.raises(Unavailable, match="overloaded"):
            await self._start_many(stage, 9)
        await stage.clock.advance(6)
        assert stage.state(await stage.start()).n

    async def _start_many(self, stage: Stage, count: int) -> None:
        for _ in range(count):
            await stage.start()

    @pytest.mark.req("LIC-34.13")
    async def test_after_the_volume_broke_it_goes_on_from_what_the_disk_says(self, stage: Stage) -> None:
        pay = ScriptedTool("shop.pay", "once", does=sleeps(100), has_probe=True, timeout_s=1_000)
        engine = await stage.open(agent("shop.bot", [calls("shop.pay"), outcomes], [pay]))
        run = await stage.start()
        engine.suspend()
        await engine.idle()
        await stage.clock.settle()
        assert engine.driven == 0
        assert engine.resume() == 1
        await stage.clock.advance(200)
        assert stage.state(run).outcome == "completed"
        assert stage.count(run, e.Owned) == 1
