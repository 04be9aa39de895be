"""One run: where its time went, what was decided and why, what it cost, every record, and what can be done about it."""

from __future__ import annotations

from lichen.core.words.ids import RunId
from lichen.runtime.views.run import RunDetail
from lichen.serve.console.visit import Outcome, Visit


async def show(visit: Visit) -> RunDetail:
    """The run of the path. Raises NotFound (`run_unknown`)."""
    return visit.runtime.runs.show(visit.scope, run_of(visit), visit.actor)


def drawing(visit: Visit, run: RunDetail) -> str | None:
    """The flow with the way the run took through it; None for other runs, and for a flow too large to be drawn."""
    if run.walk is None:
        return None
    own = [step.node for step in run.walk.steps if step.flow == run.walk.flow]
    return visit.runtime.agents.picture(visit.scope, run.agent, visit.actor, steps=own, current=run.walk.current)


def run_of(visit: Visit) -> RunId:
    """The run that the path names."""
    return RunId(visit.part("run"))


async def cancel(visit: Visit) -> Outcome:
    """Ends the run."""
    await visit.runtime.runs.cancel(visit.scope, run_of(visit), visit.actor)
    return _back(visit)


async def pause(visit: Visit) -> Outcome:
    """Halts the run at its next step."""
    await visit.runtime.runs.pause(visit.scope, run_of(visit), visit.actor)
    return _back(visit)


async def resume(visit: Visit) -> Outcome:
    """Lets a paused run go on."""
    await visit.runtime.runs.resume(visit.scope, run_of(visit), visit.actor)
    return _back(visit)


def _back(visit: Visit) -> Outcome:
    return Outcome(f"/console/runs/{run_of(visit)}")
