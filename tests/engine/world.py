"""A small world around one engine: scripted planners, tools that do what they are told, a scripted gate.

Time, randomness and the disk are simulated or seeded, so that a scenario happens the same way every time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    DidNotHappen,
    Effects,
    Happened,
    InvalidArguments,
    Issue,
    NotDone,
    Origin,
    Placement,
    Probe,
    Resources,
    Retry,
    Tool,
    ToolSpec,
)
from lichen.core.ports.plan import CallRequest, Plan, PlanInput, Planner
from lichen.core.ports.policy import NO_FACTS, Approval, Check, Confirmation, Facts, Verdict
from lichen.core.words.ids import (
    AgentName,
    CallId,
    RunId,
    StreamId,
    ToolName,
    run_stream,
    session_stream,
)
from lichen.core.words.limits import Limits
from lichen.core.words.scope import PRODUCTION, SYSTEM, Customer, Environment, Operator, Scope
from lichen.engine.intake import Intake
from lichen.engine.journal.journal import Journal
from lichen.engine.local import LocalEngine
from lichen.engine.ports import Channel, Delivery, Listed, Options, Outbound, Services
from lichen.log.log import Log
from lichen.log.volume import VolumeOptions
from lichen.runtime.access.access import Access
from lichen.runtime.operations.runs import Runs
from lichen.runtime.operations.setting import Known
from lichen.runtime.operations.talk.session import Session
from lichen.runtime.operations.talk.sessions import Sessions
from lichen.runtime.operations.waits import Waits
from lichen.testing.clock import SimulatedClock
from lichen.testing.simulation import SimulatedVolume, open_volume, seeded

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
CUSTOMER = Customer("customer-7")

PlanLine = Plan | Callable[[PlanInput], Plan]
Does = Callable[[CallMeta], Awaitable[bytes]]


class Script:
    """Gives prepared plans in order, by the run's step; the last line is repeated. `pure=False` makes it a model."""

    def __init__(self, lines: Sequence[PlanLine], *, pure: bool = True, slow_s: float = 0.0) -> None:
        self.pure = pure
        self.digest = "script"
        self.seen: list[PlanInput] = []
        self._lines = tuple(lines)
        self._slow_s = slow_s

    async def plan(self, input: PlanInput) -> Plan:
        self.seen.append(input)
        if self._slow_s:
            await asyncio.sleep(self._slow_s)
        if input.reason == "finalize":
            return Plan(answer=f"limit {input.limit}")
        line = self._lines[min(input.run.step, len(self._lines) - 1)]
        return line(input) if callable(line) else line


def call(tool: str, args: str = "{}") -> CallRequest:
    return CallRequest(ToolName(tool), args.encode())


def calls(*tools: str, **more: object) -> Plan:
    return msgspec.structs.replace(Plan(calls=tuple(call(tool) for tool in tools)), **more)


def outcomes(input: PlanInput) -> Plan:
    """Answers with how everything ended that the planner asked for."""
    return Plan(answer=" ".join([r.outcome for r in input.results] + [a.outcome for a in input.answers]))


class FakeTool:
    """Does what `does` says, and remembers what really happened outside in `effects`, by idempotency key."""

    def __init__(
        self,
        name: str,
        effects: Effects = "none",
        *,
        does: Does | None = None,
        has_probe: bool = False,
        timeout_s: float = 30.0,
        retry: Retry | None = None,
        cost: int = 1,
        agent: str | None = None,
        runs: Placement = "loop",
        origin: Origin = "records",
    ) -> None:
        self.spec = ToolSpec(
            name=ToolName(name),
            description=name,
            effects=effects,
            input_schema={"type": "object"},
            output_schema={"type": "object"},
            timeout_s=timeout_s,
            retry=retry or Retry(),
            has_probe=has_probe,
            cost=cost,
            agent=AgentName(agent) if agent else None,
            runs=runs,
            origin=origin,
        )
        self.entered: list[CallMeta] = []
        self.effects: Counter[str] = Counter()
        self.probed = 0
        self._does = does

    def bound(self, resources: Resources) -> FakeTool:
        return self

    def decode(self, args: bytes) -> Arguments:
        values = msgspec.json.decode(args, type=dict[str, object])
        if "wrong" in values:
            raise InvalidArguments((Issue("/wrong", "unknown_field", "There is no such field."),))
        return Arguments(msgspec.json.encode(values, order="sorted"), values)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        self.entered.append(meta)
        if self._does is None:
            self.happen(meta)
            return b'{"ok":true}'
        return await self._does(meta)

    def happen(self, meta: CallMeta) -> None:
        """The effect, with nothing to keep it from happening twice."""
        self.effects[meta.idempotency_key] += 1

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        self.probed += 1
        if not self.spec.has_probe:
            return CannotTell()
        return Happened(b'{"ok":true}') if self.effects[meta.idempotency_key] else DidNotHappen()


class FakeAgent(msgspec.Struct, frozen=True):
    """An agent as the engine sees it."""

    name: AgentName
    planner: Planner
    tools: Mapping[ToolName, Tool]
    limits: Limits = Limits()
    digest: str = "agent"


def agent(
    name: str, planner: Planner | Sequence[PlanLine], tools: Sequence[Tool] = (), limits: Limits | None = None
) -> FakeAgent:
    asked = Script(planner) if isinstance(planner, Sequence) else planner
    return FakeAgent(AgentName(name), asked, {t.spec.name: t for t in tools}, limits or Limits())


class ScriptedGate:
    """Allows everything but what is in `denied`; what is in `held` once a person granted exactly that call."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.held: set[str] = set()
        self.confirmed: set[str] = set()
        self.stopped: set[str] = set()
        self.declassified: dict[str, tuple[str, ...]] = {}  # by tool
        self.checked: list[Check] = []
        self.settled: list[tuple[str, str, bool]] = []
        self.expires_s = 3600.0
        self.is_unknown: Callable[[Check], bool] = lambda check: False

    async def facts(self, check: Check) -> Facts:
        return NO_FACTS

    def decide(self, check: Check, facts: Facts = NO_FACTS) -> Verdict:
        self.checked.append(check)
        if check.resource in self.denied or (check.tool is not None and self.is_unknown(check)):
            return Verdict("deny", ("deny",), "policy", "Not here.", "denied by the script")
        kinds = {grant.kind for grant in check.grants if grant.digest == check.digest}
        is_granted = "approval" in kinds
        if check.action in self.confirmed and "confirmation" not in kinds:
            asked = Confirmation("Really?", self.expires_s)
            return Verdict("hold", ("ask",), "policy", asked.text, "really", confirmation=asked)
        if check.action in self.held and not is_granted:
            return Verdict("hold", ("ask",), "policy", "Please wait.", "ask", Approval("operator", self.expires_s))
        return Verdict("allow", ("allow",), "policy", declassified=self.declassified.get(check.action, ()))

    def settle(self, scope: Scope, run: RunId, call: CallId, *, paid: bool) -> None:
        self.settled.append((run, call, paid))

    def is_stopped(self, scope: Scope, *, run: RunId, agent: str, tool: str) -> str | None:
        return next((name for name in (run, agent, tool) if name in self.stopped), None)


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
        channels: Mapping[str, Channel] | None = None,
        environment: Environment = PRODUCTION,
    ) -> None:
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
        )
        self._volume_options = volume_options
        self.places = self._services.places
        self.agent = agents[0].name

    async def open(self, *, settles: bool = True) -> World:
        """Opens the directory and takes over what is owed there; unless `settles`, nothing of that was begun yet."""
        self.volume: SimulatedVolume = open_volume(
            self.home, clock=self.clock.now_us, random=self.random, options=self._volume_options
        )
        self.engine = LocalEngine(self._services, self.volume)
        self.gate.is_unknown = lambda check: (
            check.tool is not None and self.log.is_unknown(check.session, check.tool.name, check.digest)
        )
        self.intake = Intake(self.engine)
        access = Access(self.engine)
        self.sessions = Sessions(self.engine, self.intake, access, lambda: ())
        known = Known(lambda: (), lambda scope, tool: ())
        self.runs = Runs(self.engine, self.intake, access, known)
        self.waits = Waits(self.engine, self.intake, access, known)
        self.taken_over = self.engine.start((SCOPE,))
        if settles:
            await self.clock.settle()
        return self

    async def crash(self) -> None:
        """Kills the process: nothing more is appended, and what was not durable is gone."""
        self.volume.discard()
        await self.engine.drain(0.0)
        await self.volume.crash()
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

    async def start(self, text: str = "go", *, key: str | None = None) -> RunId:
        """Starts a run and lets it come to rest."""
        run = await self.intake.start(SCOPE, self.agent, text, CUSTOMER, key=key)
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
        lives: Any = self.log._lives  # pyright: ignore[reportPrivateUsage] - nothing public tells
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


def sleeps(seconds: float) -> Does:
    """A tool that takes its time."""

    async def does(meta: CallMeta) -> bytes:
        await asyncio.sleep(seconds)
        return b'{"slept":%d}' % round(seconds)

    return does


def refuses(code: str = "busy", *, times: int = 1_000, retryable: bool = True) -> Does:
    """A tool that certainly does nothing the first `times` attempts."""

    async def does(meta: CallMeta) -> bytes:
        if meta.attempt <= times:
            raise NotDone("Not now.", code=code, retryable=retryable)
        return b"{}"

    return does
