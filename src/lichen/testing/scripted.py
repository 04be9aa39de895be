"""Parts for an engine that do what they are told: planners, tools, agents and a gate, for tests and suites."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from lichen.core.ports.agent import OnMissing
from lichen.core.ports.answer import AnswerType
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
from lichen.core.ports.policy import NO_FACTS, Approval, Check, Confirmation, Entries, Facts, Verdict
from lichen.core.speech.spoken import Spoken
from lichen.core.words.ids import (
    AgentName,
    CallId,
    RunId,
    ToolName,
)
from lichen.core.words.limits import Limits
from lichen.core.words.scope import Scope

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
        """The line of this step, after `slow_s`. At a limit an answer that names it. `seen` keeps every input."""
        self.seen.append(input)
        if self._slow_s:
            await asyncio.sleep(self._slow_s)
        if input.reason == "finalize":
            return Plan(answer=f"limit {input.limit}")
        line = self._lines[min(input.run.step, len(self._lines) - 1)]
        return line(input) if callable(line) else line


def call(tool: str, args: str = "{}") -> CallRequest:
    """A call of a tool as a planner asks for it."""
    return CallRequest(ToolName(tool), args.encode())


def calls(*tools: str, **more: object) -> Plan:
    """A plan of one call of each tool."""
    return msgspec.structs.replace(Plan(calls=tuple(call(tool) for tool in tools)), **more)


def outcomes(input: PlanInput) -> Plan:
    """Answers with how everything ended that the planner asked for."""
    return Plan(answer=" ".join([r.outcome for r in input.results] + [a.outcome for a in input.answers]))


class ScriptedTool:
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
        record_fields: Sequence[str] = (),
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
            record_fields=tuple(record_fields),
        )
        self.entered: list[CallMeta] = []
        self.effects: Counter[str] = Counter()
        self.probed = 0
        self._does = does

    def bound(self, resources: Resources) -> ScriptedTool:
        """Itself: it uses nothing of the runtime."""
        return self

    def decode(self, args: bytes) -> Arguments:
        """Any JSON object. Raises InvalidArguments for one with a key `wrong`."""
        values = msgspec.json.decode(args, type=dict[str, object])
        if "wrong" in values:
            raise InvalidArguments((Issue("/wrong", "unknown_field", "There is no such field."),))
        return Arguments(msgspec.json.encode(values, order="sorted"), values)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """None, as a JSON object."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """What `does` gives, as JSON; without it the effect happens. `entered` keeps every attempt."""
        self.entered.append(meta)
        if self._does is None:
            self.happen(meta)
            return b'{"ok":true}'
        return await self._does(meta)

    def happen(self, meta: CallMeta) -> None:
        """The effect, with nothing to keep it from happening twice."""
        self.effects[meta.idempotency_key] += 1

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """Whether the effect happened under this idempotency key, if the tool `has_probe`."""
        self.probed += 1
        if not self.spec.has_probe:
            return CannotTell()
        return Happened(b'{"ok":true}') if self.effects[meta.idempotency_key] else DidNotHappen()


class ScriptedAgent(msgspec.Struct, frozen=True):
    """An agent as the engine sees it."""

    name: AgentName
    planner: Planner
    tools: Mapping[ToolName, Tool]
    limits: Limits = Limits()
    digest: str = "agent"
    answers: AnswerType | None = None
    on_missing: OnMissing = "resume"
    say: Spoken | None = None


def agent(
    name: str, planner: Planner | Sequence[PlanLine], tools: Sequence[Tool] = (), limits: Limits | None = None
) -> ScriptedAgent:
    """An agent with this planner, or with one that gives these plans."""
    asked = Script(planner) if isinstance(planner, Sequence) else planner
    return ScriptedAgent(AgentName(name), asked, {t.spec.name: t for t in tools}, limits or Limits())


class ScriptedGate:
    """Allows everything but what is in `denied`; what is in `held` once a person granted exactly that call."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.held: set[str] = set()
        self.confirmed: set[str] = set()
        self.stopped: set[str] = set()
        self.declassified: dict[str, tuple[str, ...]] = {}  # by tool
        self.redacted: dict[str, tuple[str, ...]] = {}  # by tool
        self.checked: list[Check] = []
        self.settled: list[tuple[str, str, bool]] = []
        self.expires_s = 3600.0
        self.is_unknown: Callable[[Check], bool] = lambda check: False

    async def facts(self, check: Check) -> Facts:
        """None."""
        return NO_FACTS

    def decide(self, check: Check, facts: Facts = NO_FACTS) -> Verdict:
        """What the script says of an action. `checked` keeps every question."""
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
        return Verdict(
            "allow",
            ("allow",),
            "policy",
            redact=self.redacted.get(check.action, ()),
            declassified=self.declassified.get(check.action, ()),
        )

    def entries(self, scope: Scope, team: str = "") -> Entries:
        """No rules of access."""
        return Entries()

    def entries_then(self, scope: Scope, team: str, digest: str) -> Entries | None:
        """No rules of access."""
        return Entries()

    def settle(self, scope: Scope, run: RunId, call: CallId, *, paid: bool) -> None:
        """Keeps it in `settled`."""
        self.settled.append((run, call, paid))

    def is_stopped(self, scope: Scope, *, run: RunId, agent: str, tool: str) -> str | None:
        """The first of these names that is in `stopped`."""
        return next((name for name in (run, agent, tool) if name in self.stopped), None)


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
