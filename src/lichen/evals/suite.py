"""Files of evals, held: each case as often as it asks for, each time in a world of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.model import Model
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Scope
from lichen.evals.checks import Miss, missed
from lichen.evals.document import Case, Judge, Stub, Suite, Turn
from lichen.evals.judge import Calibrated, Verdict, calibrated, judge_agent, verdict_of
from lichen.evals.report import Line, Report, Trial, Tried
from lichen.evals.stubs import script, stubbed
from lichen.evals.trial import Happened, Held, Spent, held
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.testing.worlds import LiveClock, World, WorldClock

T = TypeVar("T")

OFFLINE: Final = ("echo", "scripted", "recorded")  # providers that no time passes for

Progress = Callable[[str, int, bool], None]
"""Is told of each trial: the case, which time it was, and whether it went as expected."""


async def tried(project: Project, suites: Sequence[tuple[Path, Suite]], *, times: int | None, told: Progress) -> Report:
    """Holds every case of these files. Raises what a project or a file makes impossible: LichenError with its place."""
    cases: list[Tried] = []
    judges: dict[str, Calibrated] = {}
    for path, suite in suites:
        trials = Trials(project, path, suite)
        if suite.judge is not None and suite.judge.calibration is not None:
            judges[_named(path, project)] = await trials.calibrated(suite.judge)
        for case in suite.case:
            count = times or case.times or suite.times
            found = [await trials.of(case, number, told) for number in range(count)]
            cases.append(Tried(_named(path, project), case.name, tuple(found)))
    return Report(tuple(cases), judges, version=version("lichen"))


class Trials:
    """The cases of one file, over one project."""

    def __init__(self, project: Project, path: Path, suite: Suite) -> None:
        self._project, self._path, self._suite = project, path, suite
        self._scope = _scope(project, suite)

    async def calibrated(self, judge: Judge) -> Calibrated:
        """How far the file's judge judges as people do."""
        assert judge.calibration is not None
        calibration = judge.calibration
        return await self._within((), None, 1, lambda world: calibrated(world, calibration))

    async def of(self, case: Case, number: int, told: Progress) -> Trial:
        """One time that the case is held."""
        try:
            trial = await self._within(case.stubs, case, number + 1, lambda world: self._trial(world, case))
        except LichenError as error:
            error.place = error.place or f"{self._path}: {case.name}"
            if error.code in ("tool_unknown", "agent_unknown", "actor_unknown", "agent_ambiguous"):
                raise
            trial = Trial((), Spent(), (), error=error.code)
        told(case.name, number + 1, trial.is_met)
        return trial

    async def _trial(self, world: World, case: Case) -> Trial:
        target = case.agent or self._project.route(self._scope.tenant, case.channel).target
        found = await held(world, msgspec.structs.replace(case, agent=target))
        misses = list(missed(case, found, self._suite.never))
        scores: list[float] = []
        for number, (turn, happened) in enumerate(zip(case.turn, found.turns, strict=True)):
            if turn.judged is not None:
                misses += await _judged(world, turn, happened, number, scores)
        return Trial(tuple(misses), found.spent, _lines(found), tuple(scores))

    async def _within(
        self, stubs: Sequence[Stub], case: Case | None, seed: int, work: Callable[[World], Awaitable[T]]
    ) -> T:
        """What `work` gives in a new world of the project, with these stubs, and scripts in the place of models."""
        judge = self._suite.judge
        agents = stubbed(self._project.agents, stubs)
        judges = (judge_agent(judge),) if judge is not None else ()
        models = _scripts(self._project, self._scope, case)
        with TemporaryDirectory(prefix="lichen-eval-") as home:
            settings = msgspec.structs.replace(self._project.settings, home=Path(home))
            project = msgspec.structs.replace(self._project, agents=(*agents, *judges), settings=settings)
            is_live = _is_live((*agents, *judges), models)
            async with World(
                lambda: Runtime.of(project),
                self._scope,
                seed=seed,
                models=models,
                clock=LiveClock() if is_live else WorldClock(),
                shares=self._project.settings.home if is_live else None,
            ) as world:
                return await work(world)


def _named(path: Path, project: Project) -> str:
    """A file as the project knows it, wherever that lies."""
    whole, root = path.resolve(), project.settings.root.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(path)


def _scope(project: Project, suite: Suite) -> Scope:
    settings = project.settings
    tenant = suite.tenant or next(iter(settings.tenants))
    declared = settings.tenants.get(tenant)
    return settings.scope(tenant, suite.env or (declared.environments[0] if declared is not None else None))


def _scripts(project: Project, scope: Scope, case: Case | None) -> Mapping[str, Model]:
    """What answers in the place of the model that a case's agent asks."""
    if case is None or case.replies is None:
        return {}
    target = case.agent or project.route(scope.tenant, case.channel).target
    return {target: script(case.replies)}


def _is_live(agents: Sequence[Agent], models: Mapping[str, Model]) -> bool:
    """Whether something is asked over a network, so that time is everybody's."""
    asked = [name for agent in agents if agent.name not in models for name in getattr(agent.planner, "models", ())]
    return any(name.partition(":")[0] not in OFFLINE for name in asked)


async def _judged(world: World, turn: Turn, happened: Happened, number: int, scores: list[float]) -> list[Miss]:
    verdict = await verdict_of(world, happened.said, happened.text)
    if not isinstance(verdict, Verdict):
        return [Miss(f"/turn/{number}/judged", f"The judge says nothing: {verdict}")]
    scores.append(verdict.score)
    if turn.judged is not None and verdict.score < turn.judged:
        return [Miss(f"/turn/{number}/judged", f"{verdict.score:g} of at least {turn.judged:g}: {verdict.reason}")]
    return []


def _lines(found: Held) -> tuple[Line, ...]:
    return tuple(
        Line(
            turn.said,
            turn.text or turn.error,
            tuple(f"{call.tool}: {call.outcome or call.verdict}" for call in turn.calls),
        )
        for turn in found.turns
    )
