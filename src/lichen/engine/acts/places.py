"""A place to run in: had before a call begins, kept while the call is decided again, given back however it ends."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.words.scope import Scope
from lichen.engine.act import CallAct
from lichen.engine.ports import Services
from lichen.tools.workers.places import CallKey, Owner


async def placed(act: CallAct) -> bool:
    """Whether a call that was allowed has a place and may begin now.

    If none is free one is waited for. By then the decision is old: the call keeps the place and is decided again, on
    policy, facts and the kill switch as they are then. Raises NotDone when it cannot have one.
    """
    places, scope, call, runs = act.services.places, act.journal.scope, act.call, act.tool.spec.runs
    key, owner = (scope, act.state.id, call.id), Owner(scope.tenant, call.tool)
    if places.reserve(runs, owner, key):
        return True
    await places.wait(runs, owner, key)
    current = act.look().calls.get(call.id)
    if current is None or current.phase != "ready" or current.check != call.check:
        places.release(key)
        return False
    waited = e.CallProgressed(call.id, call.attempt, "waited", check=call.check)
    try:
        act.note(e.Draft(waited))
    except BaseException:
        places.release(key)
        raise
    return False


def give_back(services: Services, scope: Scope, state: RunState) -> None:
    """Gives back the places of calls that do not begin any more, or not soon."""
    for key in tuple(services.places.reserved):
        if key[:2] == (scope, state.id) and not _is_on_its_way(state, key):
            services.places.release(key)


def _is_on_its_way(state: RunState, key: CallKey) -> bool:
    call = state.calls.get(key[2])
    if call is None or call.phase not in ("proposed", "ready", "running"):
        return False
    return call.phase == "running" or not state.is_halted
