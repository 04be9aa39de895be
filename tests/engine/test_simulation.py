"""Everything that can go wrong, drawn from a seed: whatever happens, the same things hold in the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import decide
from lichen.core.ports.call import Arguments, CallMeta, NotDone, Retry
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.errors import Conflict, Unavailable
from lichen.core.words.ids import RunId, StreamId, run_stream
from lichen.core.words.limits import Limits
from lichen.core.words.scope import SYSTEM
from lichen.engine.engine import Engine
from lichen.engine.intake.runs import start
from lichen.engine.local import LocalEngine
from lichen.engine.ports import Services
from lichen.log.store.selection import rows
from lichen.log.store.tables import RECORDS
from lichen.log.volume import Volume
from lichen.runtime.operations.talk.sessions import Session
from lichen.testing.clock import SimulatedClock
from lichen.testing.faultplan import FaultPlan, Happening
from lichen.testing.simulated_engine import SimulatedEngine
from lichen.testing.stores.memory import MemoryStore
from tests.engine.world import OPS, SCOPE, FakeAgent, FakeTool, Post, Script, World, agent, call, outcomes
from tests.log.homes import stored

MakeEngine = Callable[[Services, Volume], Engine]
TOOLS = ("shop.look", "shop.note", "shop.pay", "shop.blind", "shop.ask", "shop.helper")


class FaultyTool(FakeTool):
    """Fails as the plan says."""

    plan: FaultPlan

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        self.entered.append(meta)
        fault = self.plan.fault(meta.idempotency_key, len(self.entered))
        if fault == "not_done":
            raise NotDone("Not now.", code="busy")
        if fault not in ("raises", "hangs"):
            self.happen(meta)
        await asyncio.sleep(self.plan.chance(meta.idempotency_key))
        if fault in ("raises", "raises_after"):
            raise ValueError(fault)
        if fault in ("hangs", "hangs_after"):
            await asyncio.sleep(10_000)
        return b"{}"


def tools(plan: FaultPlan) -> list[FakeTool]:
    """One of every kind. `pay` has a probe, `blind` has none, `ask` waits for approval."""
    retry = Retry(attempts=2, backoff_s=1)
    made = [
        FaultyTool("shop.look", "none", timeout_s=8),
        FaultyTool("shop.note", "idempotent", timeout_s=8, retry=retry),
        FaultyTool("shop.pay", "once", timeout_s=8, retry=retry, has_probe=True),
        FaultyTool("shop.blind", "once", timeout_s=8),
        FaultyTool("shop.ask", "once", timeout_s=8, has_probe=True),
    ]
    for each in made:
        each.plan = plan
    return [*made, FakeTool("shop.helper", "child", agent="shop.helper")]


def planner(plan: FaultPlan, *, may_nest: bool) -> Script:
    """Two steps of one to three calls, chosen by the run's id, then an answer."""

    def choose(input: PlanInput) -> Plan:
        chance = plan.chance(f"{input.run.run}/{input.run.step}")
        count = 1 + int(chance * 3)
        names = TOOLS if may_nest else TOOLS[:-1]
        chosen = [names[int(chance * 1_000 + 7 * i) % len(names)] for i in range(count)]
        return Plan(calls=tuple(call(name, f'{{"n":{i}}}') for i, name in enumerate(chosen)))

    return Script([choose, choose, outcomes])


class Simulation:
    """One seed's story, from the first message to the last open question."""

    def __init__(self, home: Path, clock: SimulatedClock, seed: int, engine: MakeEngine = LocalEngine) -> None:
        self.plan = FaultPlan(seed)
        self.tools = tools(self.plan)
        self.clock = clock
        self.post = Post()
        self.memory = MemoryStore()
        self.world = World(
            home,
            clock,
            *self._agents(),
            seed=seed,
            channels={"post": self.post},
            over=lambda home: self.memory,
            engine=engine,
        )
        self.world.gate.held.add("shop.ask")
        self.accepted: list[tuple[str, str]] = []  # every message that was acknowledged
        self.started: list[RunId] = []

    def _agents(self) -> list[FakeAgent]:
        limits = Limits(time_s=600, calls=12)
        bot = agent("shop.bot", planner(self.plan, may_nest=True), self.tools, limits)
        return [bot, agent("shop.helper", planner(self.plan, may_nest=False), self.tools[:-1], limits)]

    async def play(self) -> None:
        """Everything that happens, then people who clear up what is open."""
        await self.world.open()
        for happening in self.plan.happenings:
            await self._happen(happening)
            await self.clock.advance(happening.seconds)
        await self._clear_up()

    async def _happen(self, happening: Happening) -> None:
        world, pick = self.world, happening.pick
        match happening.event:
            case "say":
                await self._say(f"s{int(pick * 3)}", f"message {len(self.accepted)}")
            case "start":
                self.started.append(await start(world.request(), world.agent, "go"))
            case "approve":
                await self._answer("approval", "approved")
            case "deny":
                await self._answer("approval", "denied")
            case "reconcile":
                await self._reconcile()
            case "cancel" | "pause" | "resume":
                await self._steer(happening.event, pick)
            case "crash":
                await world.reopen()
            case "wait":
                pass

    async def _session(self, name: str) -> Session:
        kinds = {"s0": "enqueue", "s1": "interrupt", "s2": "merge"}
        return await self.world.session(key=name, channel="post", delivery="push", double_texting=kinds[name])

    async def _say(self, name: str, text: str) -> None:
        session = await self._session(name)
        await session.say(text, key=text)
        self.accepted.append((name, text))

    async def _steer(self, verb: str, pick: float) -> None:
        rows = [row for row in self.world.log.stream_rows("run", limit=1_000) if not row.outcome]
        if rows:
            run = RunId(rows[int(pick * len(rows))].id)
            with suppress(Conflict):  # it is halted, or not, or over already
                await getattr(self.world.runs, verb)(SCOPE, run, OPS)

    async def _answer(self, kind: str, outcome: str) -> None:
        for wait in self.world.waits.list(SCOPE, SYSTEM, kinds=(kind,))[:1]:
            await self.world.waits.answer(SCOPE, wait.id, outcome, OPS, body={})  # type: ignore[arg-type]

    async def _reconcile(self) -> None:
        """Somebody looks into the other system and says what is true."""
        for wait in self.world.waits.list(SCOPE, SYSTEM, kinds=("reconcile",)):
            key = str(wait.operator["idempotency_key"])
            has_happened = any(tool.effects[key] for tool in self.tools)
            outcome = "happened" if has_happened else "did_not_happen"
            await self.world.waits.answer(SCOPE, wait.id, outcome, OPS, body={"result": {}})

    async def _clear_up(self) -> None:
        for _ in range(60):
            for row in reversed(self.world.log.stream_rows("run", limit=1_000)):  # those above before those below
                if any(w.kind == "pause" for w in self.world.state(RunId(row.id)).waits.values()):
                    await self.world.runs.resume(SCOPE, RunId(row.id), OPS)
            await self._answer("approval", "approved")
            await self._reconcile()
            await self.clock.advance(60)

    # -- what must hold ------------------------------------------------------------------------------------------

    def judge(self) -> None:
        log = self.world.log
        runs = [run_stream(RunId(row.id)) for row in log.stream_rows("run", limit=10_000)]
        sessions = [row.stream for row in log.stream_rows("session", limit=10_000)]
        for stream in (*runs, *sessions):
            assert decide(log.state(stream)) == (), f"{stream} still owes"
        assert self.world.engine.driven == 0
        for stream in runs:
            self._judge_run(stream)
        for stream in sessions:
            self._judge_session(stream)
        assert set(self.started) <= {RunId(s.id) for s in runs}
        self._judge_effects()

    def _judge_run(self, stream: StreamId) -> None:
        state = self.world.log.state(stream)
        assert isinstance(state, RunState)
        assert state.outcome, f"{stream} hangs: {self.world.runs.explain(SCOPE, state.id, SYSTEM).summary}"
        planned: set[str] = set()
        ended: Counter[str] = Counter()
        opened: Counter[str] = Counter()
        closed: Counter[str] = Counter()
        for event in self.world.log.events(stream):
            match event.control:
                case e.Planned(calls=made) as control if not control.error:
                    planned.update(each.id for each in made)
                case e.CallFinished(outcome=outcome, call=id) if outcome != "unknown":
                    ended[id] += 1
                case e.WaitOpened(wait=wait):
                    opened[wait] += 1
                case e.WaitClosed(wait=wait):
                    closed[wait] += 1
                case _:
                    pass
        assert ended == Counter(planned), f"{stream}: every call has one end"
        assert opened == closed, f"{stream}: every wait has one end"

    def _judge_session(self, stream: StreamId) -> None:
        controls = [event.control for event in self.world.log.events(stream)]
        answers = Counter(c.run for c in controls if isinstance(c, e.MessageQueued) and c.kind == "answer")
        assert all(count == 1 for count in answers.values()), f"{stream}: one answer for each run"
        opened = [c.run for c in controls if isinstance(c, e.TurnOpened)]
        closed = [c for c in controls if isinstance(c, e.TurnClosed)]
        assert opened == [c.run for c in closed if c.outcome != "ended"], f"{stream}: every turn has one end, in order"
        released = Counter(c.run for c in closed if c.outcome == "released")
        ended = Counter(c.run for c in closed if c.outcome == "ended")
        assert released == ended, f"{stream}: every run that gave its turn back has one end"
        taken = [m for c in controls if isinstance(c, e.TurnOpened) for m in c.messages]
        queued = [c.message for c in controls if isinstance(c, e.MessageReceived) and c.disposition == "queued"]
        assert taken == queued, f"{stream}: every message gets its turn"
        checking = [c.token for c in controls if isinstance(c, e.MessageQueued) and c.token.startswith("unknown/")]
        assert len(checking) == len(set(checking))

    def _judge_effects(self) -> None:
        """An effect happens twice only where a person who could not know better, or `idempotent`, said so."""
        for tool in self.tools:
            if tool.spec.effects == "once":
                twice = {key: n for key, n in tool.effects.items() if n > 1}
                assert twice == {}, f"{tool.spec.name} happened more than once: {twice}"


async def simulate(home: Path, seed: int, engine: MakeEngine = LocalEngine) -> Simulation:
    """Plays and judges one seed; closes the world whatever comes of it."""
    with SimulatedClock() as clock, stored(together=seed % 2 == 1):  # both forms of records are explored
        simulation = Simulation(home, clock, seed, engine)
        try:
            await simulation.play()
            simulation.judge()
        except (AssertionError, Unavailable) as error:
            error.add_note(f"seed {seed}: pytest 'tests/engine/test_simulation.py' -k 'seed{seed}-'")
            raise
        finally:
            await simulation.world.close()
    return simulation


@pytest.mark.req("LIC-8.2")
@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed{seed}-") for seed in range(10)])
async def test_whatever_happens_nothing_happens_twice_is_owed_or_hangs(tmp_path: Path, seed: int) -> None:
    await simulate(tmp_path, seed)


@pytest.mark.req("LIC-34.13")
@pytest.mark.parametrize("seed", range(4))
async def test_the_same_holds_of_the_plain_engine(tmp_path: Path, seed: int) -> None:
    await simulate(tmp_path, seed, SimulatedEngine)


def records_of(simulation: Simulation) -> list[bytes]:
    """Every record of the volume, byte by byte."""
    return [data for (data,) in simulation.memory.read().rows(rows(RECORDS).by("pos").of("record"))]


@pytest.mark.req("LIC-8.1")
async def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = [records_of(await simulate(tmp_path / name, seed=7)) for name in ("first", "second")]
    assert len(first) > 100
    assert first == second


async def test_another_seed_writes_other_bytes(tmp_path: Path) -> None:
    first, second = [records_of(await simulate(tmp_path / str(seed), seed)) for seed in (7, 8)]
    assert first != second


def test_a_fault_plan_is_the_same_for_the_same_seed() -> None:
    first, second = FaultPlan(3), FaultPlan(3)
    assert first.happenings == second.happenings
    assert [first.fault("k", n) for n in range(20)] == [second.fault("k", n) for n in range(20)]
    assert msgspec.json.encode(first.happenings) != msgspec.json.encode(FaultPlan(4).happenings)
