"""The cases of a file of evals: each time that one is held is in a world of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from lichen.agents import document
from lichen.core.ports.model import Model
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import SYSTEM, Scope
from lichen.evals.checks import missed, with_expected
from lichen.evals.document import Case, Judge, Stub, Suite, Turn
from lichen.evals.faults import Injector, check_place, with_faults
from lichen.evals.judge import Verdict, calibrated, judge_agent, verdict_of
from lichen.evals.stage import on_stage
from lichen.evals.stubs import script, stubbed
from lichen.evals.trial import Happened, Held, held, spent_in
from lichen.runtime.project.project import Project
from lichen.runtime.trials.result import (
    Begun,
    Calibrated,
    Judged,
    Line,
    Made,
    Miss,
    Spent,
    Trial,
    Versions,
)
from lichen.runtime.views.story.call import Call
from lichen.testing.worlds import World

T = TypeVar("T")

_WRONG: Final = ("tool_unknown", "agent_unknown", "actor_unknown", "agent_ambiguous", "not_for_development")


class Trials:
    """The cases of one file, over one project."""

    def __init__(self, project: Project, path: Path, suite: Suite, *, times: int | None) -> None:
        self._project, self._path, self.suite = project, path, suite
        self._scope = scope_of(project, suite)
        self._times = times
        self.name = suite_name(path, project)

    def times(self, case: Case) -> int:
        """How often a case is held."""
        return self._times or case.times or self.suite.times

    async def begun(self, *, at_us: int) -> Begun:
        """What is about to be held, since this moment, and with which versions of everything."""
        times = {case.name: self.times(case) for case in self.suite.case}
        policies = await self._within((), None, 1, self._policies)
        agents = {agent.name: agent.digest for agent in self._project.agents}
        asked = {agent.name: tuple(getattr(agent.planner, "models", ())) for agent in self._project.agents}
        versions = Versions(
            version("lichen"),
            document.digest("eval/project", (policies, agents)),
            hashlib.sha256(self._path.read_bytes()).hexdigest(),
            {name: models for name, models in asked.items() if models},
            self.suite.judge.model if self.suite.judge is not None else "",
        )
        id = document.digest("eval/result", (at_us, self.name, str(self._path), self._scope.tenant, self._scope.env))
        return Begun(f"eval-{id[:16]}", self.name, self._scope.tenant, self._scope.env, at_us, times, versions)

    async def _policies(self, world: World) -> str:
        return world.runtime.policies.check(world.scope, SYSTEM).digest

    async def calibrated(self, judge: Judge) -> Calibrated:
        """How far the file's judge judges as people do."""
        assert judge.calibration is not None
        calibration = judge.calibration
        return await self._within((), None, 1, lambda world: calibrated(world, calibration))

    async def of(self, case: Case, number: int) -> Trial:
        """One time that the case is held."""
        try:
            faults = (*self.suite.faults, *case.faults)
            check_place(faults, self._project.settings, self._scope)
            injector = Injector(faults, seed=number)
            held = partial(self._trial, case=case, injector=injector)
            return await self._within(case.stubs, case, number + 1, held, injector if faults else None)
        except LichenError as error:
            error.place = error.place or f"{self._path}: {case.name}"
            if error.code in _WRONG:
                raise
            return Trial((), Spent(), (), error=error.code)

    async def _trial(self, world: World, case: Case, injector: Injector) -> Trial:
        target = case.agent or self._project.route(self._scope.tenant, case.channel).target
        found = await held(world, msgspec.structs.replace(case, agent=target))
        misses = list(missed(case, found, self.suite.never))
        misses += [Miss(f"/faults/{number}", "It never came to this fault.") for number in injector.missing()]
        judged: list[Judged] = []
        before = spent_in(world)
        for number, (turn, happened) in enumerate(zip(case.turn, found.turns, strict=True)):
            if turn.judged is not None:
                misses += with_expected(case, await _judged(world, turn, happened, number, judged))
        return Trial(tuple(misses), found.spent, _lines(found), tuple(judged), judge=spent_in(world) - before)

    async def _within(
        self,
        stubs: Sequence[Stub],
        case: Case | None,
        seed: int,
        work: Callable[[World], Awaitable[T]],
        injector: Injector | None = None,
    ) -> T:
        """What `work` gives in a new world of the project, with these stubs, and scripts in the place of models."""
        judge = self.suite.judge
        agents = with_faults(stubbed(self._project.agents, stubs), injector)
        judges = (judge_agent(judge),) if judge is not None else ()
        models = _scripts(self._project, self._scope, case)
        staged = msgspec.structs.replace(self._project, agents=(*agents, *judges))
        async with on_stage(staged, self._scope, seed=seed, models=models) as world:
            return await work(world)


def suite_name(path: Path, project: Project) -> str:
    """A file as the project knows it, wherever that lies."""
    whole, root = path.resolve(), project.settings.root.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(path)


def scope_of(project: Project, suite: Suite) -> Scope:
    """Where a file is held: the tenant and environment that it names, else the first of the project."""
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


async def _judged(world: World, turn: Turn, happened: Happened, number: int, judged: list[Judged]) -> list[Miss]:
    verdict = await verdict_of(world, happened.said, happened.text)
    if not isinstance(verdict, Verdict):
        return [Miss(f"/turn/{number}/judged", f"The judge says nothing: {verdict}")]
    least = turn.judged or 0.0
    judged.append(Judged(number, verdict.score, least, verdict.reason))
    if verdict.score < least:
        return [Miss(f"/turn/{number}/judged", f"{verdict.score:g} of at least {least:g}: {verdict.reason}")]
    return []


def _lines(found: Held) -> tuple[Line, ...]:
    return tuple(
        Line(turn.said, turn.texts, tuple(map(_made, turn.calls)), turn.outcome, turn.error) for turn in found.turns
    )


def _made(call: Call) -> Made:
    return Made(call.tool, msgspec.json.encode(call.arguments).decode(), call.verdict or "", call.outcome or "")
