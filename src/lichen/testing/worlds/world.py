"""A world: one real runtime over a folder, whose time, chance and process are a test's to decide about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from lichen.core.ports.model import Model
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import AgentName, RunId
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope
from lichen.log.volume import VolumeOptions
from lichen.runtime import Runtime
from lichen.runtime.project.hosting import specs_of
from lichen.runtime.views.record import RecordView
from lichen.runtime.views.run import Outcome
from lichen.runtime.views.story.call import Call
from lichen.runtime.views.wait import WaitView
from lichen.testing.simulation import InlineWriter, seeded
from lichen.testing.stores.disk import Disk
from lichen.testing.worlds import mistakes
from lichen.testing.worlds.clock import WorldClock
from lichen.testing.worlds.live import LiveClock
from lichen.testing.worlds.talk import Talk

T = TypeVar("T")

PASSES_S_MAX = 86_400.0  # how much time may pass while something is waited for
LIVE_S_MAX = 600.0  # the same where time is everybody's
RUNS_PAGE = 100
OPERATOR, OPERATOR_ROLE = "ops", "operator"


class World:
    """A runtime in a test's hands; `world` and `project_world` open one.

    Everything that decides, acts and records is the real thing. Its `clock` stands still until it is told to advance,
    its ids are the same in every run of the test, and `restart` is a crash. `runtime` is there for all else; `scope` is
    the tenant and environment everything happens in, `operator` who answers approvals unless somebody is named.
    """

    def __init__(
        self,
        make: Callable[[], Runtime],
        scope: Scope,
        *,
        seed: int,
        models: Mapping[str, Model] | None = None,
        clock: WorldClock | LiveClock | None = None,
        shares: Path | None = None,
    ) -> None:
        self.scope = scope
        self.clock = clock or WorldClock()
        self._make, self._shares = make, shares
        self._models = {AgentName(name): model for name, model in (models or {}).items()}
        self._random = seeded(seed)
        self._disk = Disk()

    async def __aenter__(self) -> Self:
        self.clock.__enter__()
        try:
            await self._open()
        except BaseException:
            self.clock.__exit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.until(self._close())
        finally:
            self.clock.__exit__()

    async def _open(self) -> None:
        volume = VolumeOptions(store=self._disk.open, writer=InlineWriter)
        runtime = self._make().simulated(
            clock=self.clock.now_us, random=self._random, volume=volume, models=self._models, shares=self._shares
        )
        self.runtime = await runtime.__aenter__()
        self.clock.is_busy = self._is_busy
        self.operator = self._operator()
        await self.clock.settle()

    async def _close(self) -> None:
        await self.runtime.drain(grace_s=0.0)
        await self.runtime.__aexit__(None, None, None)

    def cut(self) -> None:
        """Takes the disk away: nothing becomes durable any more, until `restart`."""
        self._disk.cut()

    async def restart(self) -> None:
        """Kills the process and starts it again: what was durable is there, and what was under way is taken over.

        A tool that is at work in a thread goes on, as another system does that was asked already.
        """
        self._disk.cut()
        await self.until(self.runtime.drain(grace_s=0.0))
        with suppress(Unavailable):  # what is not durable by now never will be
            await self.until(self._close())
        await self._open()

    # -- who does what -------------------------------------------------------------------------------------------

    async def talk(
        self,
        customer: str | Actor = "customer-1",
        *,
        agent: str | None = None,
        channel: str = "webchat",
        language: str = "",
        attributes: Mapping[str, str] = {},
    ) -> Talk:
        """A new conversation of a customer, with the agent or flow that a project's `channel` leads to, or the only one
        there is. Raises NotFound (`agent_unknown`), Denied."""
        project = self.runtime.project
        if agent is None and project is not None:
            agent = project.route(self.scope.tenant, channel).target
        if agent is None and len(self.runtime.hosted) != 1:
            raise mistakes.agent_unnamed([each.name for each in self.runtime.hosted])
        who = self._declared(customer) or Customer(customer) if isinstance(customer, str) else customer
        session = await self.runtime.sessions.open(
            self.scope, who, agent=agent, channel=channel, language=language, attributes=attributes
        )
        return Talk(self, session.id, who)

    async def start(self, agent: str, text: str = "", *, input: Any = None, by: str | Actor | None = None) -> RunId:
        """Starts a run without a conversation, as the operator unless `by` says otherwise; `result` tells of it."""
        return await self.runtime.runs.start(self.scope, agent, text, self._who(by), input=input)

    async def result(self, run: RunId) -> Outcome:
        """How a run ended, or stands when it goes no further by itself."""

        async def ended() -> bool:
            return not self.is_moving(run)

        await self.passing(ended, is_moving=lambda: True)
        return self.runtime.runs.outcome(self.scope, run, SYSTEM)

    async def approve(
        self, wait: WaitView | str | None = None, *, by: str | Actor | None = None, note: str = ""
    ) -> None:
        """Agrees to what waits for an approval; `wait` may be left out when one thing does. Returns when what follows
        at once has happened.

        Raises NotFound (`approval_missing`), Invalid (`approval_unnamed`), Denied.
        """
        await self._answer("approval", wait, "approved", by, {"note": note})

    async def deny(self, wait: WaitView | str | None = None, *, by: str | Actor | None = None, note: str = "") -> None:
        """Refuses it. Raises as `approve`."""
        await self._answer("approval", wait, "denied", by, {"note": note})

    async def reconcile(
        self,
        outcome: Literal["happened", "did_not_happen", "try_again"],
        wait: WaitView | str | None = None,
        *,
        by: str | Actor | None = None,
        result: Any = None,
    ) -> None:
        """Says what became of a call of which nobody knows whether it happened; `result` is what it would have
        returned. Raises as `approve`."""
        body = {} if result is None else {"result": result}
        await self._answer("reconcile", wait, outcome, by, body)

    async def _answer(
        self,
        kind: Literal["approval", "reconcile"],
        wait: WaitView | str | None,
        outcome: Literal["approved", "denied", "happened", "did_not_happen", "try_again"],
        by: str | Actor | None,
        body: dict[str, Any],
    ) -> None:
        await self.clock.settle()
        if wait is None:
            found = self.runtime.waits.list(self.scope, SYSTEM, kinds=(kind,))
            wait = mistakes.only(found, kind)
        id = wait if isinstance(wait, str) else wait.id
        await self.runtime.waits.answer(self.scope, id, outcome, self._who(by), body=body)
        await self.clock.settle()

    # -- what can be seen ----------------------------------------------------------------------------------------

    def approvals(self) -> tuple[WaitView, ...]:
        """What waits for a person's approval, the oldest first: the resolved call, its facts, the policy's reason."""
        return self.runtime.waits.list(self.scope, SYSTEM, kinds=("approval",))

    def unknown(self) -> tuple[WaitView, ...]:
        """The calls of which nobody knows whether they happened; `reconcile` says it."""
        return self.runtime.waits.list(self.scope, SYSTEM, kinds=("reconcile",))

    def calls(self, tool: str | None = None) -> tuple[Call, ...]:
        """Every call that agents planned, of one tool or of all, run by run: its arguments, verdict and policies, who
        answered, its outcome and result. Raises NotFound (`tool_unhosted`) for a name that no agent here has."""
        known = sorted(spec.name for spec in specs_of(self.runtime.hosted))
        if tool is not None and tool not in known:
            raise mistakes.tool_unhosted(tool, known)
        made = (call for run in self.runs() for call in self.runtime.runs.show(self.scope, run, SYSTEM).story.calls)
        return tuple(call for call in made if tool in (None, call.tool))

    def runs(self) -> tuple[RunId, ...]:
        """Every run, the oldest first."""
        found: list[RunId] = []
        before: int | None = None
        while page := self.runtime.runs.list(self.scope, SYSTEM, limit=RUNS_PAGE, before=before):
            found += [run.id for run in page]
            before = page[-1].first_seq
        return tuple(reversed(found))

    def records(self, run: RunId | None = None) -> tuple[RecordView, ...]:
        """The records of a run, or of all runs one after the other, contents opened."""
        runs = self.runs() if run is None else (run,)
        return tuple(each for run in runs for each in self.runtime.runs.show(self.scope, run, SYSTEM).records)

    def explain(self, run: RunId) -> str:
        """Why a run is where it is, in a sentence."""
        return self.runtime.runs.explain(self.scope, run, SYSTEM).summary

    # -- time ----------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Returns once nothing more happens at this moment. No time passes."""
        await self.clock.settle()

    async def until(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` returns or raises, while time passes as far as it must; None, and the work is cancelled, when
        that would be more than a day."""
        task = asyncio.ensure_future(work)

        async def is_done() -> bool:
            return task.done()

        if await self.passing(is_done, is_moving=lambda: True):
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None

    async def passing(self, look: Callable[[], Awaitable[T]], *, is_moving: Callable[[], bool]) -> T:
        """What `look` finds, as soon as it finds something, while time passes from moment to moment. It is asked once
        more, and may find nothing, when nothing moves any longer or a day has passed."""
        left_s = PASSES_S_MAX if isinstance(self.clock, WorldClock) else LIVE_S_MAX
        while True:
            await self.clock.settle()
            if (found := await look()) or not is_moving():
                return found
            async for _ in self.clock.lull():
                if found := await look():
                    return found
            passed_s = await self.clock.jump(seconds_max=left_s)
            if passed_s is None:
                return await look()
            left_s -= passed_s

    def is_moving(self, run: RunId) -> bool:
        """Whether a run goes on by itself."""
        return self.runtime.runs.outcome(self.scope, run, SYSTEM).moving

    def _is_busy(self) -> bool:
        """Whether a tool or facts are at work in a thread or process."""
        places = self.runtime.places
        return sum(each.used for each in places.figures().values()) > len(places.reserved)

    # -- people --------------------------------------------------------------------------------------------------

    def _who(self, by: str | Actor | None) -> Actor:
        if by is None:
            return self.operator
        return self._declared(by) or Operator(by, (OPERATOR_ROLE,)) if isinstance(by, str) else by

    def _declared(self, id: str) -> Actor | None:
        """Who a project says this is."""
        settings = self.runtime.settings
        declared = settings.tenants[self.scope.tenant].actors if settings is not None else ()
        found = next((each for each in declared if each.id == id), None)
        return None if found is None else Actor(found.kind, found.id, found.roles)

    def _operator(self) -> Actor:
        """The first operator that the project declares, else one of our own."""
        settings = self.runtime.settings
        declared = settings.tenants[self.scope.tenant].actors if settings is not None else ()
        found = next((each for each in declared if each.kind == "operator"), None)
        return Operator(OPERATOR, (OPERATOR_ROLE,)) if found is None else Actor(found.kind, found.id, found.roles)
