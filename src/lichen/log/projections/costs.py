"""What each agent and each of its models used on each day, and what days and sessions have spent and reserved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.runstate import Asking, CallAsking
from lichen.core.deciders.streams import State
from lichen.core.words.limits import NO_USAGE, Usage
from lichen.log.projections.projection import Folding, Projection
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Key, Op, Table, table

COSTS = table("costs", "log INTEGER, day INTEGER, agent TEXT", "calls INTEGER, tokens INTEGER, micro_usd INTEGER")
ASKED = table(
    "asked",
    "log INTEGER, day INTEGER, agent TEXT, model TEXT",
    "requests INTEGER, failed INTEGER, input INTEGER, output INTEGER, cached INTEGER, micro_usd INTEGER, "
    "estimated INTEGER, unpriced INTEGER, duration_us INTEGER",
)
TALKED = table(
    "talked",
    "log INTEGER, session TEXT, model TEXT",
    "requests INTEGER, failed INTEGER, input INTEGER, output INTEGER, cached INTEGER, micro_usd INTEGER, "
    "estimated INTEGER, unpriced INTEGER, duration_us INTEGER",
)
SPENT = table(
    "spent",
    "log INTEGER, key TEXT",
    "tokens INTEGER, micro_usd INTEGER, reserved_tokens INTEGER, reserved_micro_usd INTEGER",
)
PERSONS = table(
    "persons",
    "log INTEGER, subject TEXT, day INTEGER",
    "runs INTEGER, tokens INTEGER, micro_usd INTEGER, reserved_tokens INTEGER, reserved_micro_usd INTEGER",
)
DAY_US = 86_400_000_000
CACHED_MAX = 100_000  # sums in memory

Sums = tuple[int, ...]


class Spent(NamedTuple):
    """What a day or a session has spent on models, and what is reserved for requests under way or lost."""

    tokens: int = 0
    micro_usd: int = 0
    reserved_tokens: int = 0
    reserved_micro_usd: int = 0

    @property
    def tokens_all(self) -> int:
        """All tokens that count against a budget."""
        return self.tokens + self.reserved_tokens

    @property
    def micro_usd_all(self) -> int:
        """All money that counts against a budget, in millionths of a US dollar."""
        return self.micro_usd + self.reserved_micro_usd


class Person(NamedTuple):
    """What somebody began and used on one day: runs, without those that runs called, and what models took for them."""

    runs: int = 0
    tokens: int = 0
    micro_usd: int = 0
    reserved_tokens: int = 0
    reserved_micro_usd: int = 0

    @property
    def spent(self) -> Spent:
        """What models took, and what is reserved."""
        return Spent(*self[1:])


class AskedRow(NamedTuple):
    """What an agent asked of one model on one day (days since 1970, UTC). `input` and `output` are tokens, `cached`
    those of `input` that came from the provider's cache; `estimated` of the `micro_usd` is what nobody confirmed."""

    day: int
    agent: str
    model: str
    requests: int
    failed: int
    input: int
    output: int
    cached: int
    micro_usd: int
    estimated: int
    unpriced: int
    duration_us: int


class TalkedRow(NamedTuple):
    """What the runs of a session, and those that they called, asked of one model; as `AskedRow`."""

    model: str
    requests: int
    failed: int
    input: int
    output: int
    cached: int
    micro_usd: int
    estimated: int
    unpriced: int
    duration_us: int


class CostRow(NamedTuple):
    """What an agent used on one day (days since 1970, UTC): finished calls, model tokens, millionths of a US dollar."""

    day: int
    agent: str
    calls: int
    tokens: int
    micro_usd: int


class Costs(Folding):
    """The costs of one log."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log, self._reading = log, reading
        self._sums: dict[Key, Sums] = {}

    def trim(self) -> None:
        """Forgets sums when they are many."""
        if len(self._sums) > CACHED_MAX:
            self._sums.clear()

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        """A plan uses tokens; a call that ended was one, unless it was never made or nobody knows."""
        assert isinstance(after, RunState)
        match event.control:
            case e.Planned(usage=usage) if usage != NO_USAGE or event.control.requests:
                assert isinstance(before, RunState)
                return self._asked(event, event.control.requests, usage, before, after)
            case e.PlanStarted(model=model) if model:
                assert isinstance(before, RunState)
                return self._spend(event, before, after)
            case e.CallAsked(asked=None):
                assert isinstance(before, RunState)
                return self._spend(event, before, after)
            case e.CallAsked(asked=asked):
                assert isinstance(before, RunState)
                assert asked is not None
                return self._asked(event, (asked,), asked.usage, before, after)
            case e.RunStarted(parent=None, subject=subject) if subject:
                return (self._add(PERSONS, (subject, event.ts_us // DAY_US), (1, 0, 0, 0, 0)),)
            case e.CallFinished(outcome=outcome) if outcome not in ("unknown", "denied"):
                return (self._add(COSTS, (event.ts_us // DAY_US, after.agent), (1, 0, 0)),)
            case _:
                return ()

    def _asked(
        self, event: e.Event, requests: tuple[e.ModelAsked, ...], usage: Usage, before: RunState, after: RunState
    ) -> list[Op]:
        """What these requests used, in all `usage`."""
        day = event.ts_us // DAY_US
        ops = [self._add(COSTS, (day, after.agent), (0, usage.tokens, usage.cost_micro_usd))]
        ops += [self._add(ASKED, (day, after.agent, asked.model), _sums(asked)) for asked in requests]
        if after.session is not None:
            ops += [self._add(TALKED, (after.session, asked.model), _sums(asked)) for asked in requests]
        return ops + self._spend(event, before, after, usage)

    def _spend(self, event: e.Event, before: RunState, after: RunState, usage: Usage = NO_USAGE) -> list[Op]:
        """What was reserved before the event is not any more, what is after it is, and `usage` was spent: on the day
        on which the attempt began to ask, and in its session."""
        was, now = _under_way(before), _under_way(after)
        released = [each for each in was if not any(each is other for other in now)]
        reserved = [each for each in now if not any(each is other for other in was)]
        ops: list[Op] = []
        for asking, sign in (*((each, -1) for each in released), *((each, 1) for each in reserved)):
            held = (sign * asking.usage.tokens, sign * asking.usage.cost_micro_usd)
            ops += self._count(after, asking.since_us, (0, 0, *held))
        if usage != NO_USAGE:
            since_us = released[0].since_us if released else event.ts_us
            ops += self._count(after, since_us, (usage.tokens, usage.cost_micro_usd, 0, 0))
        return ops

    def _count(self, run: RunState, since_us: int, sums: Sums) -> list[Op]:
        """Counts this for the day, the session and the person."""
        ops = [self._add(SPENT, (key,), sums) for key in _keys(since_us, run)]
        return ops + ([self._add(PERSONS, (run.subject, since_us // DAY_US), (0, *sums))] if run.subject else [])

    def spent(self, key: str) -> Spent:
        """What was spent and is reserved under `day_key(...)` or `session_key(...)`."""
        return Spent(*self._now(SPENT, (key,)))

    def person(self, subject: str, ts_us: int) -> Person:
        """What somebody, a pseudonym, began and used on the UTC day of a moment."""
        return Person(*self._now(PERSONS, (subject, ts_us // DAY_US)))

    def _add(self, table: Table, key: Key, more: Sums) -> Op:
        sums = self._sums[table.name, *key] = tuple(map(int.__add__, self._now(table, key), more))
        return (table, (self._log, *key), sums)

    def _now(self, table: Table, key: Key) -> Sums:
        sums = self._sums.get((table.name, *key))
        if sums is None:
            sums = self._sums[table.name, *key] = self._stored(table, key)
        return sums

    def _stored(self, table: Table, key: Key) -> Sums:
        found: list[Any] = []
        if self._reading is not None:
            names = [column.name for column in table.columns]
            where = dict(zip(names[1 : table.key], key, strict=True))
            found = list(self._reading.rows(rows(table, log=self._log, **where).of(*names[table.key :])))
        return found[0] if found else (0,) * (len(table.columns) - table.key)


def day_key(ts_us: int) -> str:
    """Where the UTC day of a moment is counted."""
    return f"day/{ts_us // DAY_US}"


def session_key(session: str) -> str:
    """Where a session is counted."""
    return f"session/{session}"


def _keys(since_us: int, run: RunState) -> list[str]:
    return [day_key(since_us), *([session_key(run.session)] if run.session is not None else [])]


def _under_way(run: RunState) -> list[Asking | CallAsking]:
    """What is reserved for requests of a run."""
    return [*([] if run.asking is None else [run.asking]), *run.asks.values()]


def _sums(asked: e.ModelAsked) -> Sums:
    usage = asked.usage
    estimated = usage.cost_micro_usd if asked.is_estimate else 0
    tokens = (usage.input_tokens, usage.output_tokens, usage.cached_tokens)
    return (1, asked.outcome != "ok", *tokens, usage.cost_micro_usd, estimated, asked.is_unpriced, asked.duration_us)


VIEW = Projection(
    "costs",
    (COSTS, ASKED, TALKED, SPENT, PERSONS),
    Costs,
    controls=frozenset({e.RunStarted, e.Planned, e.PlanStarted, e.CallFinished, e.CallAsked}),
)


def cost_rows(reading: Reading, log: int, first: date, last: date) -> list[CostRow]:
    """What each agent used on each of these days (UTC), both included."""
    which = rows(COSTS, log=log).bound("day", ">=", _day(first)).bound("day", "<=", _day(last)).by("day", "agent")
    return [CostRow(*row[1:]) for row in reading.rows(which)]


def asked_rows(reading: Reading, log: int, first: date, last: date) -> list[AskedRow]:
    """What was asked of each model on each of these days (UTC), both included, by agent."""
    which = rows(ASKED, log=log).bound("day", ">=", _day(first)).bound("day", "<=", _day(last))
    return [AskedRow(*row[1:]) for row in reading.rows(which.by("day", "agent", "model"))]


def talked_rows(reading: Reading, log: int, session: str) -> list[TalkedRow]:
    """What was asked of each model in a session."""
    return [TalkedRow(*row[2:]) for row in reading.rows(rows(TALKED, log=log, session=session).by("model"))]


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
