"""A flow played turn by turn: by itself with stand-ins, or in its project with the tools and policies there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from lichen.agents.agent import Agent
from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Denied, Invalid, NotFound
from lichen.core.words.ids import RunId
from lichen.core.words.scope import SYSTEM, Scope
from lichen.evals.document import FAULTS_MAX, Case, Fault, Stub, Turn, check_faults
from lichen.evals.faults import Injector, with_faults
from lichen.evals.plays.standins import TENANT, alone
from lichen.evals.stage import on_stage
from lichen.evals.stubs import Ask, stubbed
from lichen.evals.trial import Happened, happened
from lichen.flows.text.reach import fields_of
from lichen.flows.trace.document import Trace
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.trail import Visited
from lichen.runtime.project.project import Project
from lichen.runtime.views.wait import WaitView
from lichen.testing.worlds import Talk, World

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
TURNS_MAX: Final = 1_000
TALKED_TO: Final = ("messaging",)  # kinds of flows that are about a conversation
CUSTOMER: Final = "customer-1"


class Staged(msgspec.Struct, frozen=True):
    """A flow, and where it is played. `live`: its tools are the real ones, so its time is everybody's."""

    project: Project
    scope: Scope
    agent: Agent
    live: bool

    @property
    def planner(self) -> FlowPlanner:
        """What walks it."""
        planner = self.agent.planner
        assert isinstance(planner, FlowPlanner)
        return planner


class Standing(msgspec.Struct, frozen=True):
    """How the last run stands: `completed`, `failed`, `cancelled`, `waiting` or `running`, with the code of a failure
    and the kinds of what it waits for."""

    status: str
    code: str = ""
    waits: tuple[str, ...] = ()


class Play:
    """A flow while it is played."""

    def __init__(self, world: World, staged: Staged, talk: Talk | None) -> None:
        self.world, self.staged = world, staged
        self._talk = talk
        self._run: RunId | None = None

    async def begin(self, text: str, input: Any) -> Happened:
        """The first thing that is said to it, or what it is started with where nobody talks to it."""
        if self._talk is not None:
            sends = fields_of(input) if isinstance(input, Mapping) else None
            return await happened(self.world, self._talk, Turn(says=text or None, sends=sends))
        self._run = await self.world.start(self.staged.agent.name, text, input=input)
        outcome = await self.world.result(self._run)
        texts = (outcome.answer,) if outcome.answer else ()
        return Happened(text or "(started)", texts, outcome.status, self.world.calls())

    async def go_on(self, turn: Turn) -> Happened:
        """What a further turn brings. Raises Invalid (`turn_unfitting`) for words where nobody talks to it."""
        if self._talk is not None:
            return await happened(self.world, self._talk, turn)
        if turn.words is not None or turn.waits_s is not None:
            step = "Answer with `approves` or `denies`."
            raise Invalid("Nobody talks to this flow.", code="turn_unfitting", next_step=step)
        await (self.world.approve(by=turn.approves) if turn.approves else self.world.deny(by=turn.denies))
        assert self._run is not None
        outcome = await self.world.result(self._run)
        return Happened("(answered)", (outcome.answer,) if outcome.answer else (), outcome.status, self.world.calls())

    def approvals(self) -> tuple[WaitView, ...]:
        """What waits for somebody's approval."""
        return self.world.approvals()

    def standing(self) -> Standing:
        """How the newest run of the flow stands."""
        runs = self._runs()
        if not runs:
            return Standing("refused")
        outcome = self.world.runtime.runs.outcome(self.world.scope, runs[-1], SYSTEM)
        return Standing(outcome.status, outcome.code, tuple(outcome.waits_for))

    def way(self) -> tuple[Visited, ...]:
        """The nodes that were visited, of all runs, in order."""
        shown = (self.world.runtime.runs.show(self.world.scope, run, SYSTEM).walk for run in self._runs())
        steps = (step for walk in shown if walk is not None for step in walk.steps)
        return tuple(Visited(step.flow, step.node, step.outcome) for step in steps)

    def trace(self, *, contents: bool) -> Trace:
        """What was given and said, node by node. Raises as `Runs.trace`, NotFound (`trace_no_run`)."""
        found = [
            self.world.runtime.runs.trace(self.world.scope, run, SYSTEM, contents=contents) for run in self._runs()
        ]
        if not found:
            raise NotFound("No run of the flow began.", code="trace_no_run", next_step="Say something to it.")
        return joined(found)

    def _runs(self) -> list[RunId]:
        mine = self.staged.agent.name
        every = (self.world.runtime.runs.show(self.world.scope, run, SYSTEM) for run in self.world.runs())
        return [run.id for run in every if run.agent == mine and run.parent is None]


def joined(traces: Sequence[Trace]) -> Trace:
    """The traces of runs that follow each other as one; there is at least one."""
    steps = tuple(step for trace in traces for step in trace.steps)
    runs = tuple(run for trace in traces for run in trace.lichen.runs)
    first = traces[0]
    return msgspec.structs.replace(first, steps=steps, lichen=msgspec.structs.replace(first.lichen, runs=runs))


def staged_alone(path: Path, *, stubs: Sequence[Stub] = (), asks: Ask | None = None) -> Staged:
    """A flow by itself: tools and agents are what stubs say, and what is said to whoever is asked.

    Raises as `alone`, NotFound (`flow_missing`).
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", code="flow_missing", next_step="Name a .ygtc file.")
    project, held = alone(path, Case("played", (), stubs=tuple(stubs)), asks=asks)
    agent = next(agent for agent in project.agents if agent.name == held.agent)
    staged = msgspec.structs.replace(project, agents=stubbed(project.agents, held.stubs))
    return Staged(staged, Scope(TENANT, "dev"), agent, live=False)


def with_failures(staged: Staged, faults: Sequence[Fault], *, seed: int) -> tuple[Staged, Injector]:
    """The same flow, which fails at these points, and what happened of that."""
    injector = Injector(faults, seed=seed)
    agents = with_faults(staged.project.agents, injector) if faults else staged.project.agents
    project = msgspec.structs.replace(staged.project, agents=agents)
    return msgspec.structs.replace(staged, project=project), injector


def staged_in(project: Project, path: Path, *, stubs: Sequence[Stub] = ()) -> Staged | None:
    """A flow in its project, with the tools there but where a stub says otherwise; None where it is no flow of that.

    Raises Denied (`not_for_development`) where the project has no environment for development.
    """
    agent = agent_of(project, path)
    if agent is None:
        return None
    scopes = [Scope(name, env) for name, each in project.settings.tenants.items() for env in each.development]
    if not scopes:
        step = "Name one under `development` of a tenant, or leave the project out: `--alone`."
        raise Denied("No environment here is for development.", code="not_for_development", next_step=step)
    staged = msgspec.structs.replace(project, agents=stubbed(project.agents, stubs))
    return Staged(staged, scopes[0], agent, live=True)


def agent_of(project: Project, path: Path) -> Agent | None:
    """The agent that is the flow of a file; None where the project hosts none of that."""
    root = project.settings.root
    found = (agent for agent in project.agents if isinstance(agent.planner, FlowPlanner))
    return next((each for each in found if (root / _path_of(each)).resolve() == path.resolve()), None)


def _path_of(agent: Agent) -> str:
    assert isinstance(agent.planner, FlowPlanner)
    return agent.planner.flow.path


@asynccontextmanager
async def played(staged: Staged, *, seed: int = 1) -> AsyncGenerator[Play]:
    """The flow, ready to begin: in a conversation if it is about one."""
    async with on_stage(staged.project, staged.scope, seed=seed, live=staged.live or None) as world:
        is_talk = staged.planner.flow.kind in TALKED_TO
        talk = await world.talk(CUSTOMER, agent=staged.agent.name) if is_talk else None
        yield Play(world, staged, talk)


# -- files -------------------------------------------------------------------------------------------------------


class _Failing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Faults with the seed of those that have a rate."""

    faults: Annotated[list[Fault], msgspec.Meta(max_length=FAULTS_MAX)]
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32)] = 0


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tool gives, for some arguments or for any."""

    args: dict[str, Any] = {}
    result: Any = None
    facts: Any = None
    error: str = ""


def read_answers(path: Path) -> tuple[Turn, ...]:
    """The turns of a file: a JSON list of texts, and of turns as tests of flows have them.

    Raises NotFound (`file_missing`), Invalid (`answers_invalid`).
    """
    turns: list[str | Turn] = _read_file_of("answers_invalid", path, list[str | Turn])
    if len(turns) > TURNS_MAX:
        raise _ill_written("answers_invalid", f"There are more than {TURNS_MAX} answers.", str(path))
    for number, turn in enumerate(turns):
        if not isinstance(turn, str):
            given = [each for each in (turn.words, turn.approves, turn.denies, turn.waits_s) if each is not None]
            if len(given) != 1:
                message = "An answer is one of `says` (or `sends`), `approves`, `denies`, `waits_s`."
                raise _ill_written("answers_invalid", message, f"{path}#/{number}")
    return tuple(Turn(says=turn) if isinstance(turn, str) else turn for turn in turns)


def read_stubs(path: Path) -> tuple[Stub, ...]:
    """What tools and agents give: a JSON object with a stub, or a list of them, for each name.

    Raises NotFound (`file_missing`), Invalid (`stubs_invalid`).
    """
    named: dict[str, _Said | list[_Said]] = _read_file_of("stubs_invalid", path, dict[str, _Said | list[_Said]])
    if len(named) > TURNS_MAX:
        raise _ill_written("stubs_invalid", f"There are more than {TURNS_MAX} names.", str(path))
    listed = {name: each if isinstance(each, list) else [each] for name, each in named.items()}
    return tuple(
        Stub(name, said.args, said.result, said.facts, said.error) for name, each in listed.items() for said in each
    )


def read_faults(path: Path) -> tuple[tuple[Fault, ...], int]:
    """Faults, a JSON list of them or an object with `faults` and a `seed`, and the seed.

    Raises NotFound (`file_missing`), Invalid (`faults_invalid`).
    """
    found: _Failing | list[Fault] = _read_file_of("faults_invalid", path, _Failing | list[Fault])
    failing = found if isinstance(found, _Failing) else _Failing(found)
    if len(failing.faults) > FAULTS_MAX:
        raise _ill_written("faults_invalid", f"There are more than {FAULTS_MAX} faults.", str(path))
    check_faults("faults_invalid", failing.faults, f"{path}#" if isinstance(found, list) else f"{path}#/faults")
    return tuple(failing.faults), failing.seed


def _read_file_of(code: str, path: Path, kind: Any) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        message = f"The file cannot be read: {error.strerror}."
        raise NotFound(message, code="file_missing", place=str(path), next_step="Name a file you may read.") from None
    if len(data) > FILE_BYTES_MAX:
        raise _ill_written(code, f"The file is larger than {FILE_BYTES_MAX} bytes.", str(path))
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        found = misfit(error)
        raise _ill_written(code, f"{found.message}.", f"{path}#{found.pointer}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _ill_written(code, "The file is no JSON.", str(path)) from None


def _ill_written(code: str, message: str, place: str) -> Invalid:
    return Invalid(message, code=code, place=place, next_step="Correct the file at the place named.")
