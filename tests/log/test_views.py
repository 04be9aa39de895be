from __future__ import annotations

from datetime import date

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders.schedules import schedule_stream
from lichen.core.ports.policy import Reservation
from lichen.core.words.ids import TENANT_STREAM, MessageId, RunId, StreamId, WaitId, run_stream
from lichen.log.log import Log
from lichen.log.projections.outbox import OutboxRow
from lichen.log.projections.unknowns import Unknown
from lichen.log.sqlite.store import SqliteReading
from lichen.log.store.selection import Rows
from lichen.log.views import listings
from lichen.testing.log_conformance import RUN, put, started
from tests.log.busy import (
    AGENT,
    C1,
    C2,
    CHILD,
    DIGEST,
    FIRST,
    PAY,
    SECOND,
    SESSION,
    A,
    B,
    S,
    call,
    first_day,
    second_day,
)
from tests.log.homes import START_US, Home

TODAY = date(2027, 1, 15)


@pytest.fixture
async def log(home: Home) -> Log:
    log = await home.reopen()
    first_day(log)
    second_day(log)
    await log.durable()
    return log


def standing(log: Log, stream: StreamId) -> str:
    return next(row.standing for row in log.stream_rows(stream.kind) if row.id == stream.id)


async def test_streams_are_listed_the_newest_first_with_whose_they_are(log: Log) -> None:
    child, second, first = log.stream_rows("run")
    assert (first.id, first.standing, first.outcome, first.session, first.turn) == (
        FIRST,
        "finished",
        "completed",
        SESSION,
        "t1",
    )
    assert (second.id, second.stream, second.standing, second.outcome, second.agent) == (
        SECOND,
        B,
        "waiting",
        "",
        AGENT,
    )
    assert (child.id, child.parent, child.session) == (CHILD, SECOND, None)
    assert first.started_us == START_US
    assert [row.first_seq for row in (first, second, child)] == [
        log.position(row.stream, 0) for row in (first, second, child)
    ]


async def test_the_next_page_of_streams_begins_where_the_last_one_ended(log: Log) -> None:
    pages: list[str] = []
    rows = log.stream_rows("run", 1)
    while rows:
        pages += [row.id for row in rows]
        rows = log.stream_rows("run", 1, before_seq=rows[-1].first_seq)
    assert pages == [CHILD, SECOND, FIRST]


async def test_sessions_and_the_tenant_have_rows_of_their_own(log: Log) -> None:
    (session,) = log.stream_rows("session")
    schedule, tenant = sorted(log.stream_rows("tenant"), key=lambda row: row.stream != schedule_stream("nightly"))
    assert (session.id, session.agent, session.session) == (SESSION, AGENT, None)
    assert (tenant.stream, tenant.standing) == (TENANT_STREAM, "waiting")
    assert schedule.stream == schedule_stream("nightly")


async def test_a_stream_stands_as_its_last_durable_record_left_it(log: Log) -> None:
    assert standing(log, run_stream(CHILD)) == "owing"
    assert run_stream(CHILD) in log.owing()
    put(log, run_stream(CHILD), e.Draft(e.RunFinished("cancelled", "gone")))
    await log.durable()
    assert standing(log, run_stream(CHILD)) == "finished"
    assert run_stream(CHILD) not in log.owing()


async def test_streams_that_owe_something_are_found_after_reopening(log: Log, home: Home) -> None:
    before = log.owing()
    assert before == [S, run_stream(CHILD)]
    log = await home.reopen()
    assert log.owing() == before


async def test_timers_are_those_of_the_states(log: Log) -> None:
    expected = {stream: dict(log.state(stream).timers) for stream in (A, B, S, run_stream(CHILD), TENANT_STREAM)}
    assert log.timers() == {stream: timers for stream, timers in expected.items() if timers}
    assert "wait/w3" in log.timers()[B]


async def test_waits_are_open_ones_the_oldest_first(log: Log) -> None:
    reconcile, approval = log.wait_rows()
    assert (reconcile.run, reconcile.wait, reconcile.kind, reconcile.call) == (SECOND, "w1", "reconcile", C1)
    assert (approval.wait, approval.may_answer, approval.expires_us) == ("w3", ("manager",), START_US + 60_000_000)
    assert isinstance(log.event(B, approval.n).control, e.WaitOpened)
    assert approval.seq == log.position(B, approval.n)
    put(log, B, e.Draft(e.WaitClosed(SECOND, WaitId("w3"), "approved", "operator_1")))
    await log.durable()
    assert [row.wait for row in log.wait_rows()] == ["w1"]


async def test_the_outbox_tells_what_is_under_way_and_what_became_of_it(log: Log) -> None:
    waiting, dropped = log.outbox_rows()
    assert waiting == OutboxRow(SESSION, "o2", waiting.n, "notice", "queued", 1)
    assert dropped == OutboxRow(SESSION, "o4", dropped.n, "say", "dropped", 2)
    put(log, S, e.Draft(e.DeliveryAttempted(MessageId("o2"), 1)))
    await log.durable()
    assert [row.state for row in log.outbox_rows()] == ["in_flight", "dropped"]
    put(log, S, e.Draft(e.DeliverySettled(MessageId("o2"), 1, "failed", "gone")))
    await log.durable()
    assert [row.state for row in log.outbox_rows()] == ["failed", "dropped"]


@pytest.mark.req("LIC-2.22")
async def test_costs_are_added_up_per_day_and_agent(log: Log, home: Home) -> None:
    (row,) = log.cost_rows(TODAY, TODAY)
    assert (row.agent, row.calls, row.tokens, row.micro_usd) == (AGENT, 2, 145, 168)
    home.clock.tick(86_400)
    put(log, B, e.Draft(e.CallFinished(C1, 1, "ok")))
    await log.durable()
    assert [row.calls for row in log.cost_rows(TODAY, date(2027, 1, 16))] == [2, 1]
    assert log.cost_rows(date(2027, 1, 14), date(2027, 1, 14)) == []


# -- meters ------------------------------------------------------------------------------------------------------


async def test_a_reservation_counts_from_the_decision_and_is_paid_by_success(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), e.Draft(e.Planned(0, 1, "start", (call(C1), call(C2)))))
    assert log.meter("m") == (0, 0)
    put(log, RUN, e.Draft(e.Decided(C1, 1, "allow", reservations=(Reservation("m", 10),))))
    put(log, RUN, e.Draft(e.Decided(C2, 1, "allow", reservations=(Reservation("m", 5),))))
    assert log.meter("m") == (15, 0)
    put(log, RUN, e.Draft(e.CallStarted(C1, 1, 1)), e.Draft(e.CallFinished(C1, 1, "ok")))
    assert log.meter("m") == (5, 10)
    put(log, RUN, e.Draft(e.CallStarted(C2, 1, 1)), e.Draft(e.CallFinished(C2, 1, "failed", "no")))
    assert log.meter("m") == (0, 10)
    await log.durable()
    log = await home.reopen()
    assert (log.meter("m"), log.meter("other"), log.reservations()) == ((0, 10), (0, 0), [])


async def test_an_unknown_outcome_keeps_its_reservation_across_a_restart(log: Log, home: Home) -> None:
    assert log.meter("meter-1") == (5, 10)
    log = await home.reopen()
    assert log.meter("meter-1") == (5, 10)
    (reserved,) = log.reservations()
    assert (reserved.run, reserved.call) == (SECOND, C1)
    assert reserved.reservations == (Reservation("meter-1", 5), Reservation("meter-2", 1))
    put(log, B, e.Draft(e.CallFinished(C1, 1, "ok")))
    assert (log.meter("meter-1"), log.reservations()) == ((0, 15), [])


async def test_a_second_decision_of_a_call_replaces_what_the_first_reserved(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), e.Draft(e.Planned(0, 1, "start", (call(C1),))))
    put(log, RUN, e.Draft(e.Decided(C1, 1, "allow", reservations=(Reservation("m", 10), Reservation("n", 1)))))
    put(log, RUN, e.Draft(e.Decided(C1, 2, "allow", reservations=(Reservation("m", 3),))))
    assert (log.meter("m"), log.meter("n")) == ((3, 0), (0, 0))
    await log.durable()
    log = await home.reopen()
    assert (log.meter("m"), log.meter("n")) == ((3, 0), (0, 0))


async def test_two_claims_of_one_call_on_a_meter_are_added(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), e.Draft(e.Planned(0, 1, "start", (call(C1),))))
    put(log, RUN, e.Draft(e.Decided(C1, 1, "allow", reservations=(Reservation("m", 10), Reservation("m", 1)))))
    await log.durable()
    assert log.meter("m") == (11, 0)
    assert (await home.reopen()).meter("m") == (11, 0)


async def test_an_append_that_is_refused_reserves_nothing(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), e.Draft(e.Planned(0, 1, "start", (call(C1),))))
    decided = e.Draft(e.Decided(C1, 1, "allow", reservations=(Reservation("m", 10),)))
    log.append(e.Part(RUN, 0, (decided,)))
    with pytest.raises(ValueError, match="does not belong"):
        log.append(e.Part(RUN, 2, (decided, e.Draft(e.MailboxClosed()))))
    assert log.meter("m") == (0, 0)


# -- unknown outcomes --------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-6.22")
async def test_a_call_of_unknown_outcome_is_known_to_be_until_it_ends(log: Log, home: Home) -> None:
    assert log.unknowns() == [Unknown(SECOND, C1, SESSION, PAY, DIGEST)]
    assert log.is_unknown(SESSION, PAY, DIGEST)
    assert not log.is_unknown("ses-other", PAY, DIGEST)
    assert not log.is_unknown(SESSION, PAY, b"other")
    log = await home.reopen()
    assert log.is_unknown(SESSION, PAY, DIGEST)
    put(log, B, e.Draft(e.CallFinished(C1, 1, "ok")))
    assert not log.is_unknown(SESSION, PAY, DIGEST)
    await log.durable()
    assert (await home.reopen()).unknowns() == []


@pytest.mark.req("LIC-6.22")
async def test_a_call_that_is_tried_again_is_no_longer_unknown(log: Log) -> None:
    put(log, B, e.Draft(e.WaitClosed(SECOND, WaitId("w1"), "try_again", "operator_1")))
    assert not log.is_unknown(SESSION, PAY, DIGEST)


async def test_kill_switches_that_are_on_are_known(log: Log) -> None:
    assert set(log.stops()) == {"tool:shop.pay"}
    put(log, TENANT_STREAM, e.Draft(e.Changed("start", "tool:shop.pay", "", "change-2")))
    assert log.stops() == {}


async def test_a_stream_that_nobody_wrote_to_has_no_row(log: Log) -> None:
    stream = run_stream(RunId("run-nobody"))
    assert log.state(stream).n == 0
    assert log.events(stream) == []
    assert "run-nobody" not in [row.id for row in log.stream_rows("run")]


@pytest.mark.req("LIC-2.47")
@pytest.mark.parametrize("steps", [3, 40])
async def test_of_a_long_run_a_list_reads_its_beginning_its_waits_and_its_end(
    home: Home, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    most = 8
    monkeypatch.setattr(listings, "TOLD_MAX", most)
    log = await home.reopen()
    put(log, RUN, started(log), e.Draft(e.Owned(1)))
    put(log, RUN, e.Draft(e.WaitOpened(RunId(RUN.id), WaitId("w1"), "approval")))
    for step in range(steps):
        put(log, RUN, e.Draft(e.Planned(step, 1, "resume", error="no")))
        await log.durable()
    (row,) = log.stream_rows("run")
    read, rows = list[int](), SqliteReading.rows

    def counted(reader: SqliteReading, which: Rows) -> list[tuple[object, ...]]:
        found = rows(reader, which)
        read.append(len(found))
        return found

    monkeypatch.setattr(SqliteReading, "rows", counted)
    told = [record.n for record in log.records_telling([row])[row.number]]
    assert sum(read) <= most + 2
    everything = [record.n for record in log.records(RUN) if record.type != "owned"]
    assert told == (everything if steps < most else [0, 2, *everything[-most:]])
