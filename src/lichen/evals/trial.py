"""One conversation, held: what was said and done in each turn, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lichen.core.words.errors import LichenError, NotFound
from lichen.core.words.scope import SYSTEM
from lichen.evals.document import Case, Turn
from lichen.runtime.trials.result import Spent
from lichen.runtime.views.story.call import Call
from lichen.testing.worlds import Talk, World


class Happened(msgspec.Struct, frozen=True):
    """What a turn brought. `calls` are those that it made or that it changed, as they stand after it; `error` is the
    code of an operation that was refused; `visits` are the nodes of flows that were visited."""

    said: str
    texts: tuple[str, ...] = ()
    outcome: str = ""
    calls: tuple[Call, ...] = ()
    error: str = ""
    visits: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the customer was told last."""
        return self.texts[-1] if self.texts else ""


class Held(msgspec.Struct, frozen=True):
    """A whole conversation."""

    turns: tuple[Happened, ...]
    calls: tuple[Call, ...]
    spent: Spent


async def held(world: World, case: Case) -> Held:
    """Holds the conversation of a case in a world. Raises what opening it raises."""
    began_us = world.clock.now_us()
    talk = await world.talk(case.person, agent=case.agent, channel=case.channel, language=case.language)
    turns = [await happened(world, talk, turn) for turn in case.turn]
    seconds = (world.clock.now_us() - began_us) / 1e6
    return Held(tuple(turns), world.calls(), msgspec.structs.replace(spent_in(world), seconds=seconds))


async def happened(world: World, talk: Talk, turn: Turn) -> Happened:
    """What a turn of a conversation brings."""
    before, visited = world.calls(), len(_visits(world))
    try:
        said = await _happen(world, talk, turn)
    except LichenError as error:
        said = Happened(_name(turn), error=error.code)
    return msgspec.structs.replace(said, calls=_moved(before, world.calls()), visits=_visits(world)[visited:])


def _visits(world: World) -> tuple[str, ...]:
    """The nodes that all runs of a world visited, run by run. One that waited is there again when it goes on."""
    shown = (world.runtime.runs.show(world.scope, run, SYSTEM).walk for run in world.runs())
    return tuple(step.node for walk in shown if walk is not None for step in walk.steps)


async def _happen(world: World, talk: Talk, turn: Turn) -> Happened:
    if turn.words is not None:
        reply = await talk.say(turn.words, data=turn.sends)
        return Happened(_name(turn), reply.texts, reply.outcome)
    if turn.approves is not None:
        await world.approve(by=turn.approves)
    elif turn.denies is not None:
        await world.deny(by=turn.denies)
    elif turn.waits_s is not None:
        await world.clock.advance(turn.waits_s)
    try:
        reply = await talk.reply()
    except NotFound:  # nothing more is told, which is for the expectations to judge
        return Happened(_name(turn))
    return Happened(_name(turn), reply.texts, reply.outcome)


def _name(turn: Turn) -> str:
    if turn.words is not None:
        return turn.words
    if turn.approves is not None:
        return f"({turn.approves} approves)"
    return f"({turn.denies} denies)" if turn.denies is not None else f"({turn.waits_s:g} s pass)"


def _moved(before: Sequence[Call], after: Sequence[Call]) -> tuple[Call, ...]:
    """The calls that are new, or stand otherwise than before. Ids of calls count from one in every run."""
    left = list(before)
    moved: list[Call] = []
    for call in after:
        if call in left:
            left.remove(call)
        else:
            moved.append(call)
    return tuple(moved)


def spent_in(world: World) -> Spent:
    """What all runs of a world cost so far."""
    costs = [world.runtime.runs.show(world.scope, run, SYSTEM).cost for run in world.runs()]
    return Spent(
        sum(cost.calls for cost in costs), sum(cost.tokens for cost in costs), sum(cost.micro_usd for cost in costs)
    )
