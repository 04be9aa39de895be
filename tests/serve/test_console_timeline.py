"""A run's time as lanes, and lanes as a picture: nothing that took time is missing or lies where it was not."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.call import Outcome
from lichen.core.words.ids import CallId, RunId, ToolName, WaitId
from lichen.log.records.record import Record
from lichen.runtime.views.timeline import Lane, Timeline, timeline
from lichen.serve.axis import FOLD_PX, Axis
from lichen.serve.console.picture import NAMES, RIGHT, WIDTH, picture
from tests.runtime.recorded import record

MS, S, H = 1_000, 1_000_000, 3_600_000_000


def planned(at_us: int, *calls: tuple[str, str], error: str = "") -> Record:
    named = tuple(e.PlannedCall(CallId(id), ToolName(tool), "once", b"") for id, tool in calls)
    return record(at_us, e.Planned(0, 1, "start", calls=named, error=error, has_answer=not calls))


def started(at_us: int, call: str, attempt: int = 1, child: str | None = None) -> Record:
    return record(at_us, e.CallStarted(CallId(call), attempt, 1, child=RunId(child) if child else None))


def progressed(at_us: int, call: str, attempt: int, what: Literal["retry", "waiting", "resumed"]) -> Record:
    return record(at_us, e.CallProgressed(CallId(call), attempt, what))


def finished(at_us: int, call: str, attempt: int = 1, outcome: Outcome = "ok", duration_us: int = 0) -> Record:
    return record(at_us, e.CallFinished(CallId(call), attempt, outcome, duration_us=duration_us))


def lanes(*records: Record, now_us: int = 10 * S, **children: tuple[Record, ...]) -> dict[str, Lane]:
    found = timeline(records, lambda run: children.get(run.replace("-", "_").replace(".", "_"), ()), now_us)
    return {f"{lane.depth}/{lane.name}": lane for lane in found.lanes}


def spans(lane: Lane) -> list[tuple[str, int, int | None, str]]:
    return [(span.label, span.start_us, span.end_us, span.outcome) for span in lane.spans]


@pytest.mark.req("LIC-25.2")
def test_each_attempt_is_a_span_of_its_tools_lane() -> None:
    found = lanes(
        planned(0, ("c1", "stock.reserve")),
        started(1 * MS, "c1"),
        progressed(5 * MS, "c1", 1, "retry"),
        started(9 * MS, "c1", 2),
        finished(12 * MS, "c1", 2),
    )
    assert spans(found["0/stock.reserve"]) == [("c1", 1 * MS, 5 * MS, "retry"), ("c1 #2", 9 * MS, 12 * MS, "ok")]


@pytest.mark.req("LIC-25.2")
def test_a_process_that_died_ends_what_it_had_begun_and_is_marked() -> None:
    records = (
        planned(0, ("c1", "payments.refund")),
        started(1 * MS, "c1"),
        record(3 * S, e.Owned(2)),
        finished(3 * S + MS, "c1", outcome="unknown"),
    )
    found = lanes(*records)
    assert spans(found["0/payments.refund"])[0] == ("c1", 1 * MS, 3 * S, "lost")
    marks = timeline(records, lambda run: (), 10 * S).marks
    assert [(mark.kind, mark.at_us) for mark in marks] == [("owned", 3 * S)]
    lines = picture(timeline(records, lambda run: (), 10 * S)).marks
    assert [line.label for line in lines] == ["taken over"]


@pytest.mark.req("LIC-25.2")
def test_a_child_run_lies_below_its_call_with_lanes_of_its_own() -> None:
    inner = (planned(3 * MS, ("c1", "parcel.label")), started(4 * MS, "c1"), finished(6 * MS, "c1"))
    found = lanes(
        planned(0, ("c1", "shop.packer")),
        started(2 * MS, "c1", child="run-1.c1"),
        finished(8 * MS, "c1"),
        run_1_c1=inner,
    )
    assert list(found) == ["0/planner", "0/shop.packer", "1/planner", "1/parcel.label"]
    assert found["0/shop.packer"].kind == "child"


def test_a_child_whose_time_stands_still_is_the_same_attempt_all_along() -> None:
    found = lanes(
        planned(0, ("c1", "shop.packer")),
        started(2 * MS, "c1", child="run-1.c1"),
        progressed(3 * MS, "c1", 1, "waiting"),
        progressed(7 * S, "c1", 1, "resumed"),
        finished(8 * S, "c1"),
    )
    assert spans(found["0/shop.packer"]) == [("c1", 2 * MS, 8 * S, "ok")]


@pytest.mark.req("LIC-25.2")
def test_what_is_open_goes_on_until_now() -> None:
    records = (planned(0, ("c1", "slow.tool")), started(1 * MS, "c1"))
    assert spans(lanes(*records)["0/slow.tool"]) == [("c1", 1 * MS, None, "open")]
    assert timeline(records, lambda run: (), 7 * S).end_us == 7 * S
    over = (*records, finished(2 * MS, "c1"), record(3 * MS, e.RunFinished("completed")))
    assert timeline(over, lambda run: (), 7 * S).end_us == 3 * MS


def test_a_call_without_effect_has_no_start_of_its_own_but_took_time() -> None:
    found = lanes(planned(0, ("c1", "orders.lookup")), finished(9 * MS, "c1", duration_us=4 * MS))
    assert spans(found["0/orders.lookup"]) == [("c1", 5 * MS, 9 * MS, "ok")]


@pytest.mark.req("LIC-25.18")
def test_hours_of_waiting_are_folded_and_milliseconds_of_work_are_not() -> None:
    axis = Axis((0, 10 * MS, 5 * H, 5 * H + 10 * MS), [(0, 10 * MS), (5 * H, 5 * H + 10 * MS)], 100.0, 1000.0)
    (fold,) = axis.folds
    assert (fold.start_us, fold.end_us, fold.right - fold.left) == (10 * MS, 5 * H, FOLD_PX)
    assert [round(run.right - run.left) for run in axis.runs] == [427, 427]
    assert axis.x(0) == 100.0
    assert axis.x(5 * H + 10 * MS) == pytest.approx(1000.0)


@pytest.mark.req("LIC-25.18")
def test_hours_of_work_are_never_folded() -> None:
    axis = Axis((0, 5 * H, 5 * H + 10 * MS), [(0, 5 * H)], 100.0, 1000.0)
    assert axis.folds == []


@pytest.mark.req("LIC-25.18")
@pytest.mark.parametrize("length_us", [1, 700, 12 * MS, 999 * MS, 61 * S, 3 * H, 80 * H])
def test_ticks_are_round_and_as_far_apart_as_their_labels_need(length_us: int) -> None:
    axis = Axis((0, length_us), [(0, length_us)], 0.0, 900.0)
    ticks = axis.ticks(axis.runs[0])
    assert len(ticks) <= 9
    assert length_us < 10 or ticks
    assert all(after.x - before.x >= 80 for before, after in pairwise(ticks))
    assert all(str(tick.offset_us).rstrip("0") and 0 <= tick.x <= 900.001 for tick in ticks)


def test_time_never_runs_backwards_on_the_axis() -> None:
    moments = (0, 3, 5_000, 20_000, 7 * H, 7 * H + 1, 9 * H)
    axis = Axis(moments, [(0, 20_000)], 0.0, 800.0)
    places = [axis.x(at) for at in range(0, 9 * H, H // 7)]
    assert places == sorted(places)
    assert places[0] >= 0
    assert places[-1] <= 800.001


@pytest.mark.req("LIC-25.2")
def test_everything_drawn_lies_inside_the_picture() -> None:
    records = (
        planned(0, ("c1", "a.b"), ("c2", "a.b")),
        record(100, e.Decided(CallId("c1"), 1, "allow")),
        started(200, "c1"),
        started(300, "c2"),
        finished(50 * MS, "c1"),
        finished(60 * MS, "c2", outcome="failed"),
        record(61 * MS, e.WaitOpened(RunId("run-1"), WaitId("w1"), "approval", CallId("c2"), ("operator",))),
    )
    drawn = picture(timeline(records, lambda run: (), 7 * H))
    rows = {row.full_name: row for row in drawn.rows}
    assert len({bar.y for bar in rows["a.b"].bars}) == 2, "calls at the same time lie below each other"
    for row in drawn.rows:
        assert row.y + row.height <= drawn.height
        for bar in row.bars:
            assert bar.x >= NAMES
            assert bar.x + bar.width <= WIDTH - RIGHT + 0.11
    assert [label for _, _, label in drawn.folds] == ["7 h"]


def test_a_run_of_one_record_can_be_drawn() -> None:
    assert picture(Timeline(5, 5, (), ())).rows == ()
