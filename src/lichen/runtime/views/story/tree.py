"""A run with the runs that it called, and what each and all of them cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId
from lichen.core.words.limits import Usage
from lichen.log.records.record import Record

BRANCHES_MAX: Final = 256  # of one tree; what is beyond is counted and not shown

Records = Sequence[Record]


class Branch(msgspec.Struct, frozen=True):
    """A run of a tree. `call` and `attempt` are those of its caller that it executes, empty at the top.

    `outcome` is empty while it is open. `tokens` and `micro_usd` (millionths of a US dollar) are its own, those that
    begin with `all_` its own with those of every run below it that is shown; `left_out` counts those that are not.
    """

    id: RunId
    agent: str
    call: str
    attempt: int
    outcome: str
    code: str
    started_at_us: int
    ended_at_us: int | None
    tokens: int
    micro_usd: int
    all_tokens: int
    all_micro_usd: int
    children: tuple[Branch, ...] = ()
    left_out: int = 0


def tree(records: Records, records_of: Callable[[RunId], Records]) -> Branch:
    """The tree of the run of these records. `records_of` has none for a run that may not be read."""
    return _Tree(records_of).branch(records, "", 1)


class _Tree:
    def __init__(self, records_of: Callable[[RunId], Records]) -> None:
        self._records_of = records_of
        self._left = BRANCHES_MAX - 1

    def branch(self, records: Records, call: str, attempt: int) -> Branch:
        first, last = records[0], records[-1]
        assert isinstance(first.control, e.RunStarted)
        begun = tuple(_begun(records))
        shown, self._left = begun[: self._left], self._left - len(begun[: self._left])
        children = tuple(self.branch(each, c.call, c.attempt) for c, each in self._of(shown))
        usage = _usage(records)
        finished = last.control if isinstance(last.control, e.RunFinished) else None
        return Branch(
            id=RunId(first.stream.id),
            agent=first.control.agent,
            call=call,
            attempt=attempt,
            outcome=finished.outcome if finished is not None else "",
            code=finished.code if finished is not None else "",
            started_at_us=first.ts_us,
            ended_at_us=last.ts_us if finished is not None else None,
            tokens=usage.tokens,
            micro_usd=usage.cost_micro_usd,
            all_tokens=usage.tokens + sum(child.all_tokens for child in children),
            all_micro_usd=usage.cost_micro_usd + sum(child.all_micro_usd for child in children),
            children=children,
            left_out=len(begun) - len(shown),
        )

    def _of(self, begun: Sequence[e.CallStarted]) -> Iterator[tuple[e.CallStarted, Records]]:
        for started in begun:
            records = self._records_of(RunId(started.child or ""))
            if records:
                yield started, records


def _begun(records: Records) -> Iterator[e.CallStarted]:
    """The attempts at calls that are runs of their own."""
    for record in records:
        if isinstance(record.control, e.CallStarted) and record.control.child is not None:
            yield record.control


def _usage(records: Records) -> Usage:
    usage = Usage()
    for record in records:
        if isinstance(record.control, e.Planned):
            usage += record.control.usage
    return usage
