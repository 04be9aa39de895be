"""What every log must do, whatever it is stored in. An adapter's test subclasses it and says how to open one."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import evolve, initial
from lichen.core.words.content import CONTENT_BYTES_MAX, INLINE_BYTES_MAX, Content
from lichen.core.words.errors import Conflict, ContentErased, Invalid, NotFound
from lichen.core.words.ids import (
    TENANT_STREAM,
    AgentName,
    CallId,
    RunId,
    SessionId,
    StreamId,
    ToolName,
    run_stream,
    session_stream,
)
from lichen.core.words.label import Label
from lichen.core.words.limits import Limits
from lichen.core.words.scope import Customer
from lichen.log.log import Appended, Log, Stale
from lichen.log.records.record import Record

Reopen = Callable[[], Awaitable[Log]]

RUN = run_stream(RunId("run-1"))
OTHER = run_stream(RunId("run-2"))
SESSION = session_stream(SessionId("ses-1"))
TOOL = ToolName("shop.pay")
C1 = CallId("c1")


def started(log: Log, text: bytes = b"hello", session: SessionId | None = None) -> e.Draft:
    """A run's first record, about customer-7."""
    who = log.name(Customer("customer-7"))
    control = e.RunStarted(AgentName("shop.support"), who, Limits(), session=session)
    return e.Draft(control, (Content("input", who, text),))


def planned(log: Log, args: bytes = b"{}") -> e.Draft:
    """A plan of one call."""
    who = log.name(Customer("customer-7"))
    call = e.PlannedCall(C1, TOOL, "once", b"0123456789abcdef")
    return e.Draft(e.Planned(0, 1, "start", (call,)), (Content("c1/args", who, args),))


def put(log: Log, stream: StreamId, *drafts: e.Draft) -> Appended:
    """Appends to the stream as it is now."""
    appended = log.append(e.Part(stream, log.state(stream).n, drafts))
    assert isinstance(appended, Appended)
    return appended


class LogConformance:
    """Override the fixture `reopen`: awaiting it closes the log, if open, and opens the same one again."""

    @pytest.fixture
    def reopen(self) -> Reopen:
        """How to get the log."""
        raise NotImplementedError

    # -- append --------------------------------------------------------------------------------------------------

    async def test_an_append_numbers_records_in_the_log_and_in_their_stream(self, reopen: Reopen) -> None:
        log = await reopen()
        first = log.last_seq
        appended = put(log, RUN, started(log), e.Draft(e.PlanStarted(0, 1, "start")))
        assert [[event.n for event in events] for events in appended.events] == [[0, 1]]
        positions = [record.seq for record in log.records(RUN)]
        assert positions[0] == appended.first_seq == first + 1
        assert positions[1] == appended.last_seq == log.last_seq
        assert [(record.n, record.event) for record in log.records(RUN)] == list(enumerate(appended.events[0]))

    async def test_the_state_moves_before_anything_is_durable(self, reopen: Reopen) -> None:
        log = await reopen()
        await log.durable()
        before = log.durable_seq
        put(log, RUN, started(log))
        assert (log.state(RUN).n, log.durable_seq) == (1, before)

    async def test_a_durable_record_is_there_after_reopening(self, reopen: Reopen) -> None:
        log = await reopen()
        appended = put(log, RUN, started(log))
        await log.durable()
        assert log.durable_seq == appended.last_seq
        log = await reopen()
        assert log.state(RUN).n == 1
        assert log.contents(RUN, 0) == {"input": b"hello"}

    async def test_the_state_after_reopening_is_the_fold_of_the_events(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log), planned(log))
        put(log, RUN, e.Draft(e.Decided(C1, 1, "allow"), label=Label(("tool:orders",), 1)))
        before, events = log.state(RUN), log.events(RUN)
        await log.durable()
        log = await reopen()
        folded = initial(RUN)
        for event in events:
            folded = evolve(folded, event)
        assert log.state(RUN) == before == folded
        assert log.events(RUN) == events

    @pytest.mark.req("LIC-2.26")
    async def test_parts_land_together(self, reopen: Reopen) -> None:
        log = await reopen()
        opened = e.Draft(e.MailboxOpened(AgentName("shop.support"), "customer_1", "web"))
        appended = log.append(e.Part(SESSION, 0, (opened,)), e.Part(RUN, 0, (started(log),)))
        assert isinstance(appended, Appended)
        assert (log.state(SESSION).n, log.state(RUN).n) == (1, 1)

    @pytest.mark.req("LIC-2.26")
    async def test_one_stale_part_keeps_all_of_them_out(self, reopen: Reopen) -> None:
        log = await reopen()
        last = log.last_seq
        opened = e.Draft(e.MailboxOpened(AgentName("shop.support"), "customer_1", "web"))
        assert log.append(e.Part(SESSION, 0, (opened,)), e.Part(RUN, 3, (started(log),))) == Stale(RUN, 0)
        assert (log.state(SESSION).n, log.state(RUN).n, log.last_seq) == (0, 0, last)

    async def test_a_part_without_drafts_only_guards(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log))
        assert log.append(e.Part(RUN, 0, ()), e.Part(OTHER, 0, (started(log),))) == Stale(RUN, 1)
        assert isinstance(log.append(e.Part(RUN, 1, ()), e.Part(OTHER, 0, (started(log),))), Appended)

    async def test_a_draft_that_does_not_fold_keeps_everything_out(self, reopen: Reopen) -> None:
        log = await reopen()
        last = log.last_seq
        foreign = e.Draft(e.MailboxClosed())
        with pytest.raises(ValueError, match="does not belong"):
            log.append(e.Part(OTHER, 0, (started(log),)), e.Part(RUN, 0, (started(log), foreign)))
        assert (log.state(RUN).n, log.state(OTHER).n, log.last_seq) == (0, 0, last)
        put(log, RUN, started(log))
        await log.durable()

    async def test_cause_actor_and_turn_are_kept(self, reopen: Reopen) -> None:
        log = await reopen()
        log.append(e.Part(RUN, 0, (started(log),)), cause=1, actor="customer_1", turn="t1")
        await log.durable()
        record = (await reopen()).record(RUN, 0)
        assert (record.cause, record.actor, record.turn) == (1, "customer_1", "t1")

    # -- again, or instead ---------------------------------------------------------------------------------------

    @pytest.mark.req("LIC-2.25")
    async def test_the_same_append_again_changes_nothing_and_gives_the_old_positions(self, reopen: Reopen) -> None:
        log = await reopen()
        part = e.Part(RUN, 0, (started(log), planned(log)))
        first = cast(Appended, log.append(part))
        again = log.append(part)
        assert again == msgspec.structs.replace(first, repeated=True)
        await log.durable()
        log = await reopen()
        assert cast(Appended, log.append(part)).first_seq == first.first_seq

    async def test_the_same_drafts_on_top_of_a_later_state_are_the_same_append(self, reopen: Reopen) -> None:
        log = await reopen()
        first = put(log, RUN, started(log))
        put(log, RUN, planned(log))
        again = log.append(e.Part(RUN, 2, (started(log),)))
        assert again == msgspec.structs.replace(first, repeated=True)

    async def test_another_body_under_a_used_key_is_stale_for_whoever_has_not_seen_it(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log, b"hello"))
        assert log.append(e.Part(RUN, 0, (started(log, b"other"),))) == Stale(RUN, 1)

    @pytest.mark.req("LIC-2.25")
    async def test_another_content_under_a_used_key_is_refused(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log, b"hello"))
        with pytest.raises(Conflict) as caught:
            log.append(e.Part(RUN, 1, (started(log, b"other"),)))
        assert caught.value.code == "key_reused"

    async def test_another_control_under_a_used_key_is_refused_after_reopening_too(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log), e.Draft(e.PlanStarted(0, 1, "start")))
        await log.durable()
        log = await reopen()
        with pytest.raises(Conflict, match="key_reused"):
            put(log, RUN, e.Draft(e.PlanStarted(0, 1, "resume")))

    async def test_a_used_key_beside_a_new_one_is_refused(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log))
        with pytest.raises(Conflict, match="key_reused"):
            put(log, RUN, started(log), planned(log))
        assert log.state(RUN).n == 1

    async def test_one_key_twice_in_an_append_is_refused(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log))
        twice = e.Draft(e.PlanStarted(0, 1, "start"))
        with pytest.raises(Conflict, match="key_reused"):
            put(log, RUN, twice, twice)

    async def test_a_key_is_found_whether_durable_or_not(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log), planned(log))
        assert (log.find(RUN, "planned/0/1"), log.find(RUN, "planned/1/1")) == (1, None)
        await log.durable()
        log = await reopen()
        assert (log.find(RUN, "planned/0/1"), log.find(OTHER, "planned/0/1")) == (1, None)

    # -- contents ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", [0, 1, INLINE_BYTES_MAX, CONTENT_BYTES_MAX])
    async def test_a_content_of_any_allowed_size_comes_back(self, reopen: Reopen, size: int) -> None:
        log = await reopen()
        text = b"x" * size
        put(log, RUN, started(log, text))
        await log.durable()
        log = await reopen()
        assert log.contents(RUN, 0)["input"] == text

    async def test_a_content_above_the_limit_is_refused_and_nothing_is_appended(self, reopen: Reopen) -> None:
        log = await reopen()
        with pytest.raises(Invalid, match="content_too_large"):
            put(log, RUN, started(log, b"x" * (CONTENT_BYTES_MAX + 1)))
        assert log.state(RUN).n == 0

    async def test_a_record_without_contents_has_none(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log), e.Draft(e.PlanStarted(0, 1, "start")))
        assert log.contents(RUN, 1) == {}

    # -- reading -------------------------------------------------------------------------------------------------

    @pytest.mark.req("GOA-50.1")
    async def test_pages_of_a_stream_hold_every_record_once_and_in_order(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log), *(e.Draft(e.PlanStarted(0, n, "start")) for n in range(10)))
        await log.durable()
        put(log, RUN, *(e.Draft(e.PlanStarted(1, n, "start")) for n in range(4)))  # not durable yet
        pages: list[Record] = []
        while page := log.records(RUN, len(pages), limit=4):
            pages += page
        assert [record.n for record in pages] == list(range(15))
        assert [record.event for record in pages] == log.events(RUN)

    @pytest.mark.req("GOA-50.2")
    async def test_pages_of_the_log_hold_every_durable_record_once_and_in_order(self, reopen: Reopen) -> None:
        log = await reopen()
        for number in range(20):
            put(log, run_stream(RunId(f"run-{number}")), started(log))
        await log.durable()
        pages: list[Record] = []
        while page := log.read(pages[-1].seq if pages else 0, limit=6):
            pages += page
        assert [record.seq for record in pages] == list(range(1, log.last_seq + 1))

    async def test_a_record_is_found_by_its_place_in_the_stream(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log))
        await log.durable()
        appended = put(log, RUN, planned(log))
        assert log.position(RUN, 1) == appended.last_seq
        assert isinstance(log.event(RUN, 0).control, e.RunStarted)
        assert isinstance(log.event(RUN, 1).control, e.Planned)

    async def test_a_parked_stream_comes_back_as_it_was(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log), planned(log))
        log.park(RUN)
        before = log.state(RUN)
        await log.durable()
        log.park(RUN)
        assert log.state(RUN) == before
        with pytest.raises(Conflict):
            put(log, RUN, started(log, b"other"))
        put(log, RUN, e.Draft(e.Decided(C1, 1, "allow")))
        assert cast(RunState, log.state(RUN)).calls[C1].phase == "ready"

    @pytest.mark.req("LIC-2.21")
    async def test_followers_get_every_record_once_in_order_and_only_durable_ones(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log))
        await log.durable()
        following = log.follow(0)
        seen = [await anext(following) for _ in range(log.last_seq)]
        put(log, OTHER, started(log))
        put(log, RUN, planned(log))
        while seen[-1].seq < log.last_seq:
            record = await anext(following)
            assert record.seq <= log.durable_seq
            seen.append(record)
        assert [record.seq for record in seen] == list(range(1, log.last_seq + 1))

    async def test_a_follower_of_streams_gets_only_those(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log))
        put(log, OTHER, started(log))
        await log.durable()
        following = log.follow(0, streams=(OTHER,))
        assert (await anext(following)).stream == OTHER
        put(log, RUN, planned(log))
        put(log, OTHER, planned(log))
        record = await anext(following)
        assert (record.stream, record.n) == (OTHER, 1)

    # -- names and erasure ---------------------------------------------------------------------------------------

    async def test_a_name_is_the_same_after_reopening_and_can_be_resolved(self, reopen: Reopen) -> None:
        log = await reopen()
        who = log.name(Customer("customer-7"))
        await log.durable()
        put(log, RUN, started(log))
        await log.durable()
        log = await reopen()
        assert log.name(Customer("customer-7")) == who
        assert "customer-7" not in who
        assert log.display(who) == "customer-7"

    @pytest.mark.req("LIC-5.21")
    async def test_what_was_said_by_an_erased_person_cannot_be_read_any_more(self, reopen: Reopen) -> None:
        log = await reopen()
        who = log.name(Customer("customer-7"))
        put(log, RUN, started(log))
        key_ids = await log.erase(who, "erasure-1")
        assert key_ids
        with pytest.raises(ContentErased):
            log.contents(RUN, 0)
        log = await reopen()
        with pytest.raises(ContentErased):
            log.contents(RUN, 0)
        with pytest.raises(NotFound, match="name_unknown"):
            log.display(who)

    @pytest.mark.req("LIC-5.22")
    async def test_after_an_erasure_runs_still_fold_and_list(self, reopen: Reopen) -> None:
        log = await reopen()
        put(log, RUN, started(log), planned(log))
        before = log.state(RUN)
        await log.erase(log.name(Customer("customer-7")), "erasure-1")
        log = await reopen()
        assert log.state(RUN) == before
        assert [row.id for row in log.stream_rows("run")] == ["run-1"]
        assert [type(event.control) for event in log.events(TENANT_STREAM)].count(e.Erased) == 1

    async def test_erasing_twice_under_one_id_is_recorded_once(self, reopen: Reopen) -> None:
        log = await reopen()
        who = log.name(Customer("customer-7"))
        put(log, RUN, started(log))
        first = await log.erase(who, "erasure-1")
        assert await log.erase(who, "erasure-1") == first
        assert [type(event.control) for event in log.events(TENANT_STREAM)].count(e.Erased) == 1

    async def test_audit_fields_under_the_retention_key_outlive_an_erasure(self, reopen: Reopen) -> None:
        log = await reopen()
        who = log.name(Customer("customer-7"))
        put(log, RUN, started(log), planned(log), e.Draft(e.Decided(C1, 1, "allow")))
        contents = (Content("result", who, b"{}"), Content("audit", "retention", b'{"amount":12}'))
        put(log, RUN, e.Draft(e.CallFinished(C1, 1, "ok"), contents))
        await log.erase(who, "erasure-1")
        contents_left = (await reopen()).contents(RUN, 3)
        assert contents_left["audit"] == b'{"amount":12}'
        assert contents_left.get("reason") is None
        with pytest.raises(ContentErased):
            contents_left["result"]
        with pytest.raises(ContentErased):
            contents_left.get("result")
