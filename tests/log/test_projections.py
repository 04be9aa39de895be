"""A view of one's own: a file and a line, kept, made anew and verified like all others."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import State
from lichen.log.log import Log
from lichen.log.projections.every import PROJECTIONS, AnyProjection
from lichen.log.projections.projection import Folding, Projection
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Op, table
from lichen.testing.stores.projection_conformance import ProjectionConformance
from tests.log.busy import first_day, second_day

CALLS = table("calls_by_tool", "log INTEGER, tool TEXT", "calls INTEGER")


class CallsByTool(Folding):
    """How many calls of each tool ended."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log = log
        found = reading.rows(rows(CALLS, log=log).of("tool", "calls")) if reading is not None else []
        self._calls: dict[str, int] = dict(found)  # type: ignore[arg-type]  # two columns were asked for

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        assert isinstance(before, RunState)
        assert isinstance(event.control, e.CallFinished)
        tool = before.calls[event.control.call].tool
        self._calls[tool] = self._calls.get(tool, 0) + 1
        return ((CALLS, (self._log, tool), (self._calls[tool],)),)


CALLS_BY_TOOL = Projection("calls_by_tool", (CALLS,), CallsByTool, controls=frozenset({e.CallFinished}))


class TestAViewOfOnesOwn(ProjectionConformance):
    projection = CALLS_BY_TOOL

    def live(self, log: Log) -> None:
        first_day(log)
        second_day(log)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
class TestEveryView(ProjectionConformance):
    @pytest.fixture(autouse=True)
    def of(self, projection: AnyProjection) -> None:
        self.projection = projection

    def live(self, log: Log) -> None:
        first_day(log)
        second_day(log)
