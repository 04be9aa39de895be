"""One team for each pattern. Every member does something outside, once, before it answers; so do the steps of sagas."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Final

from lichen import Agent, CallMeta, DidNotHappen, NotDone, tool
from lichen.agents import patterns
from lichen.agents.patterns import Human, Step
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from tests.crash.world import outside_in

Says = Callable[[str], str]
SCHEMA = "create table if not exists did (what text, key text)"
TASK: Final = "one two three"
FORGETS: Final = "LICHEN_CRASH_FORGETS"  # with this in its environment, nobody outside knows what happened


# -- what is done outside ----------------------------------------------------------------------------------------


def _do(what: str, meta: CallMeta) -> str:
    """Blindly: nothing keeps it from happening twice."""
    with outside_in(meta.attributes["files"]) as world:
        world.execute(SCHEMA)
        world.execute("insert into did values (?, ?)", (what, meta.idempotency_key))
    return what


def _probe(idempotency_key: str, *, meta: CallMeta) -> str | DidNotHappen:
    if FORGETS in os.environ:
        return DidNotHappen()
    with outside_in(meta.attributes["files"]) as world:
        world.execute(SCHEMA)
        row = world.execute("select what from did where key = ?", (idempotency_key,)).fetchone()
    return DidNotHappen() if row is None else str(row[0])


@tool(name="desk.mark", effects="once", runs="loop", probe=_probe)
async def mark(text: str, *, meta: CallMeta) -> str:
    """Marks that somebody was asked this."""
    return _do(text, meta)


@tool(name="trip.book", effects="once", runs="loop", probe=_probe)
async def book(what: str, *, meta: CallMeta) -> str:
    """Books."""
    return _do(f"book {what}", meta)


@tool(name="trip.unbook", effects="once", runs="loop", probe=_probe)
async def unbook(what: str, *, meta: CallMeta) -> str:
    """Books back."""
    return _do(f"unbook {what}", meta)


@tool(name="trip.pay", effects="once", runs="loop", probe=_probe)
async def pay(is_broken: bool, *, meta: CallMeta) -> str:
    """Pays, or cannot."""
    if is_broken:
        raise NotDone("Not today.", code="broken", retryable=False)
    return _do("pay", meta)


# -- members -----------------------------------------------------------------------------------------------------


class Member:
    """Marks outside what it was asked, then answers what a function makes of it. One without never answers."""

    pure = False

    def __init__(self, name: str, says: Says | None) -> None:
        self._name, self._says, self.digest = name, says, name

    async def plan(self, input: PlanInput) -> Plan:
        """The mark, then the answer."""
        if self._says is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)  # so that it is noted that it was asked
        if input.reason == "start":
            text = "\n".join(message.text for message in input.input)
            args = json.dumps({"text": f"{self._name}: {text}"}).encode()
            return Plan(calls=(CallRequest(ToolName("desk.mark"), args),), state=text.encode())
        assert self._says is not None
        return Plan(answer=self._says(input.state.decode()))


def _member(name: str, says: Says | None) -> Agent:
    return Agent(f"team.{name}", planner=Member(name, says), tools=[mark], description=f"Does {name}.")


def _upper() -> Agent:
    return _member("upper", str.upper)


def _count() -> Agent:
    return _member("count", lambda text: f"{text} {len(text)}")


def _writer() -> Agent:
    return _member("writer", lambda text: "better" if "critic says" in text or "Objections" in text else "good")


# -- teams -------------------------------------------------------------------------------------------------------


def _chain() -> Agent:
    return patterns.chain("team.work", [_upper(), _count()])


def _parallel() -> Agent:
    return patterns.parallel("team.work", [_upper(), _count()], join=_member("join", lambda text: f"of {text}"))


def _race() -> Agent:
    return patterns.race("team.work", [_upper(), _member("never", None)])


def _debate() -> Agent:
    critic = _member("critic", lambda text: "AGREED" if "better" in text else "It is short.")
    return patterns.debate("team.work", _writer(), critic)


def _map_reduce() -> Agent:
    reducer = _member("reduce", lambda text: f"all of {text}")
    return patterns.map_reduce("team.work", _upper(), reducer, split=str.split, at_once=2)


def _director() -> Agent:
    wanted = {"assignments": [{"worker": "team.upper", "task": "x"}, {"worker": "team.count", "task": "y"}]}
    lead = _member("lead", lambda text: f"Done: {text}" if "workers say" in text else json.dumps(wanted))
    return patterns.director("team.work", lead, [_upper(), _count()])


def _router() -> Agent:
    return patterns.router("team.work", _member("small", lambda text: "Perhaps.\nconfidence: 0.1"), _count())


def _critic() -> Agent:
    judge = _member("judge", lambda text: json.dumps({"scores": {"x": 1.0 if "better" in text else 0.0}}))
    return patterns.critic("team.work", _writer(), judge, rubric={"x": 1.0})


def _person() -> Agent:
    return patterns.critic("team.work", _writer(), Human(), rubric={"x": 1.0})


def _trip(is_broken: bool) -> Agent:
    steps = [_booking(what) for what in ("hotel", "flight", "car")]
    return patterns.saga("team.work", [*steps, Step(pay, lambda given, done: {"is_broken": is_broken}, name="pay")])


def _booking(what: str) -> Step:
    return Step(book, lambda given, done: {"what": what}, name=what, undo=unbook)


TEAMS: Final[dict[str, Callable[[], Agent]]] = {
    "chain": _chain,
    "parallel": _parallel,
    "race": _race,
    "debate": _debate,
    "map_reduce": _map_reduce,
    "director": _director,
    "router": _router,
    "critic": _critic,
    "a person as critic": _person,
    "saga": lambda: _trip(False),
    "saga that is undone": lambda: _trip(True),
}
IN_ORDER: Final = {
    "saga": ["book hotel", "book flight", "book car", "pay"],
    "saga that is undone": ["book hotel", "book flight", "book car", "unbook car", "unbook flight", "unbook hotel"],
}
"""What a saga does outside, in this order; members of other teams may be asked at once."""
