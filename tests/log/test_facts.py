"""Several facts of a stream in one stored record: each is read, folded, proven and erased as if it stood alone."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import evolve, initial, stands
from lichen.core.words.content import Content
from lichen.core.words.errors import ContentErased, Corrupt
from lichen.core.words.ids import TENANT_STREAM, CallId, LogId, MessageId, RunId, StreamId, run_stream
from lichen.core.words.label import Label
from lichen.core.words.limits import Limits
from lichen.core.words.scope import Scope
from lichen.log.audit.backup import accept_loss, backup, restore_logs
from lichen.log.audit.export import export, verify_export
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.log import Log
from lichen.log.records import record as record_module
from lichen.log.records.pending import SHARED_BYTES_MAX
from lichen.log.records.record import FACTS_MAX, Place, Record, SealedPart, decode, encode
from lichen.log.views import live as live_module
from lichen.runtime.views.tenant import verification
from lichen.testing.log_conformance import RUN, SESSION, put, started
from tests.core.test_events import SAMPLES
from tests.log.busy import AGENT, A, S, call, first_day, second_day
from tests.log.homes import SCOPE, Home, stored

C1 = CallId("c1")
ROOT = Path(__file__).resolve().parents[2]
LOG, STREAM = LogId("acme/dev/0"), StreamId("run", "run-1")


def plan_started(n: int) -> e.Draft:
    return e.Draft(e.PlanStarted(n, 1, "start"))


def places(log: Log, stream: StreamId) -> list[Place]:
    return [record.place for record in log.records(stream)]


def stored_rows(home: Home) -> int:
    return home.sql("SELECT count(*) FROM records")[0][0]


def record_of(control: e.Control, seq: int, ts_us: int, n: int, i: int, **fields: Any) -> Record:
    type_v = control.type_v
    return Record(1, LOG, seq, ts_us, STREAM, n, control.key, control.type, type_v, 0, "", None, control, i=i, **fields)


# -- the bytes ---------------------------------------------------------------------------------------------------

facts = st.lists(
    st.tuples(
        st.sampled_from(SAMPLES),
        st.integers(0, 10**7),
        st.lists(st.binary(max_size=40), max_size=2),
        st.sampled_from([(), ("tool:a",), ("customer:b", "tool:a")]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=FACTS_MAX,
)


@pytest.mark.req("LIC-2.43")
@settings(max_examples=200, deadline=None, derandomize=True)
@given(drawn=facts, first_n=st.integers(0, 2**40))
def test_any_facts_come_back_one_by_one_as_they_were(drawn: list[Any], first_n: int) -> None:
    ts_us, found = 1_800_000_000_000_000, list[Record]()
    for i, (control, later_us, bodies, sources, secrecy) in enumerate(drawn):
        ts_us += later_us if i else 0
        sealed = tuple(SealedPart(f"say/{k}", k, b"n" * 12, body) for k, body in enumerate(bodies))
        found.append(record_of(control, 9, ts_us, first_n + i, i, contents=sealed, label=Label(sources, secrecy)))
    data = encode(found)
    assert decode(data) == tuple(found)
    assert encode(decode(data)) == data
    assert msgspec.msgpack.encode(msgspec.msgpack.decode(data)) == data, "each value in its shortest form"


def shared(*offsets: int, **changes: Any) -> bytes:
    """A record of so many facts, with some elements as the test wants them."""
    fields: list[Any] = [
        [us, f"plan_started/{k}/1", "plan_started", 1, 0, "", None, [k, 1, "start", "", None, None, 0], [], [[], 0]]
        for k, us in enumerate(offsets)
    ]
    names = ["v", "log", "seq", "ts_us", "stream", "n", "key", "type", "type_v", "cause", "actor", "turn", "control"]
    whole: list[Any] = [
        1,
        LOG,
        3,
        1_800_000_000_000_000,
        list(STREAM),
        4,
        "plan_started/0/1",
        "facts",
        1,
        0,
        "",
        None,
        fields,
        [],
        [[], 0],
    ]
    for name, value in changes.items():
        whole[[*names, "contents", "label"].index(name)] = value
    return msgspec.msgpack.encode(whole)


def test_a_record_of_facts_is_the_documented_array() -> None:
    read = decode(shared(0, 7))
    assert [(each.place, each.n, each.ts_us, each.key) for each in read] == [
        (Place(3), 4, 1_800_000_000_000_000, "plan_started/0/1"),
        (Place(3, 1), 5, 1_800_000_000_000_007, "plan_started/1/1"),
    ]
    assert encode(read) == shared(0, 7)


@pytest.mark.parametrize(
    "data",
    [
        shared(),
        shared(0),
        shared(1, 2),
        shared(0, 9, 8),
        shared(*range(FACTS_MAX + 1)),
        shared(0, 1, key="plan_started/1/1"),
        shared(0, 1, cause=1),
        shared(0, 1, actor="customer_1"),
        shared(0, 1, turn="t1"),
        shared(0, 1, contents=[["say", 1, b"n" * 12, b"x"]]),
        shared(0, 1, label=[["tool:a"], 0]),
        shared(0, 1, control=[1, 2]),
    ],
)
def test_facts_that_are_written_in_another_way_are_refused(data: bytes) -> None:
    with pytest.raises(Corrupt, match="record_malformed"):
        decode(data)


# -- what shares -------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-2.43")
async def test_facts_of_a_stream_that_are_handed_over_together_are_one_record(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    put(log, SESSION, e.Draft(e.MailboxOpened(started(log).control.agent, "", "webchat")))  # type: ignore[attr-defined]
    put(log, RUN, plan_started(0))
    await log.durable()
    put(log, RUN, plan_started(1))
    first = places(log, RUN)[0].seq
    assert places(log, RUN) == [Place(first), Place(first, 1), Place(first + 2)]
    await log.durable()
    assert [record.n for record in log.read(first - 1, 1)] == [0, 1]
    assert log.last_seq == log.durable_seq == stored_rows(home)


STANDS = {
    "alone": {
        "wait_opened", "wait_closed", "owned", "call_started", "declassified", "refused", "log_opened", "changed",
        "erased", "accessed", "pinned", "reviewed", "submitted", "secret_used",
        "leased", "ticked",
    },
    "begins": {
        "call_progressed", "signal", "timer_fired", "message_received", "handover_attended", "delivery_doubted",
        "delivery_resolved", "dead_lettered", "letter_settled",
    },
}  # fmt: skip


@pytest.mark.req("LIC-2.44")
@pytest.mark.parametrize("control", SAMPLES, ids=lambda control: control.type)
def test_what_may_not_share_a_record_is_declared(control: e.Control) -> None:
    expected = next((how for how, types in STANDS.items() if control.type in types), "joins")
    state = RunState(RunId("r")) if isinstance(control, e.RunControl.__args__) else MailboxState(SESSION.id)  # type: ignore[arg-type]
    assert stands(state, e.Draft(control)) == expected


@pytest.mark.req("LIC-2.44")
def test_only_a_call_without_effects_starts_beside_others() -> None:
    state = initial(RUN)
    calls = (call(C1, effects="none"), call(CallId("c2"), effects="once"), call(CallId("c3"), effects="idempotent"))
    run_started = e.RunStarted(AGENT, "", Limits())
    for n, control in enumerate((run_started, e.Planned(0, 1, "start", calls))):
        state = evolve(state, e.Event(n, 0, control))
    how = [stands(state, e.Draft(e.CallStarted(CallId(f"c{n}"), 1, 1))) for n in (1, 2, 3, 4)]
    assert how == ["joins", "alone", "alone", "alone"]


@pytest.mark.req("LIC-2.44")
def test_a_decision_for_which_facts_were_read_begins_a_record() -> None:
    decided = e.Decided(C1, 1, "allow")
    with_facts = e.Draft(decided, (Content("facts", "customer_1", b"{}"),))
    assert (stands(initial(RUN), e.Draft(decided)), stands(initial(RUN), with_facts)) == ("joins", "begins")


@pytest.mark.req("LIC-2.44")
@pytest.mark.parametrize(("delivery", "how"), [("push", "alone"), ("pull", "joins")])
def test_a_message_that_is_about_to_be_pushed_stands_alone(delivery: Any, how: str) -> None:
    opened = e.MailboxOpened(AGENT, "", "webchat", delivery)
    state = evolve(initial(SESSION), e.Event(0, 0, opened))
    assert stands(state, e.Draft(e.DeliveryAttempted(MessageId("o1"), 1))) == how


async def test_nothing_joins_what_stands_alone_and_it_joins_nothing(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), e.Draft(e.Owned(1)), plan_started(0), plan_started(1))
    first = places(log, RUN)[0].seq
    assert places(log, RUN) == [Place(first), Place(first + 1), Place(first + 2), Place(first + 2, 1)]


@pytest.mark.req("LIC-2.43")
async def test_a_shared_record_is_bounded_in_facts_and_bytes(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), *(plan_started(n) for n in range(FACTS_MAX)))
    assert [place.i for place in places(log, RUN)] == [*range(FACTS_MAX), 0]
    await log.durable()
    large = Content("notes", "customer_1", b"x" * (SHARED_BYTES_MAX // 2))
    put(log, RUN, *(e.Draft(e.Planned(n, 1, "resume", error="no"), (large,)) for n in range(3)))
    assert [place.i for place in places(log, RUN)][-3:] == [0, 0, 0]
    await log.durable()
    longest = max(len(data) for (data,) in home.sql("SELECT record FROM records WHERE n < ?", FACTS_MAX))
    assert longest <= SHARED_BYTES_MAX


async def test_facts_that_are_stored_apart_are_read_as_ever(home: Home) -> None:
    log = (await home.open()).log(SCOPE)
    with stored(together=False):
        put(log, RUN, started(log), plan_started(0), plan_started(1))
    assert {place.i for place in places(log, RUN)} == {0}
    await log.durable()
    assert stored_rows(home) == 4


# -- as if each stood alone --------------------------------------------------------------------------------------


async def lived(home: Home, waits: list[bool]) -> dict[str, Any]:
    """The life of `busy`, durable in between where `waits` says so, and what is left of it."""
    log = (await home.open()).log(SCOPE)
    first_day(log)
    if waits[0]:
        await log.durable()
    home.clock.tick(0.25)
    second_day(log)
    for number, wait in enumerate(waits):
        stream = run_stream(RunId(f"more-{number % 3}"))
        if log.state(stream).n == 0:
            put(log, stream, started(log))
        home.clock.tick(0.000_7)
        put(
            log,
            stream,
            plan_started(number),
            e.Draft(e.Planned(number, 1, "resume", error="no"), label=Label((f"tool:{number}",), 1)),
        )
        if wait:
            await log.durable()
    ids = [row.stream for kind in ("run", "session", "tenant") for row in log.stream_rows(kind)]
    left = {str(each): (log.state(each), log.events(each)) for each in ids}
    await home.close()
    assert verify(home.logs).findings == ()
    log = (await home.open()).log(SCOPE)
    for each in ids:
        state, events = left[str(each)]
        again = log.events(each)
        assert again[: len(events)] == events
        folded = initial(each)
        for event in events:
            folded = evolve(folded, event)
        assert folded == state
        assert each == TENANT_STREAM or log.state(each) == state  # the tenant's says by now who opened it again
    views = {
        "timers": home.sql("SELECT kind, id, timer, due_us FROM timers JOIN streams USING (stream) ORDER BY 1, 2, 3"),
        "waits": home.sql(
            "SELECT id, wait, waits.kind, n, opened_us FROM waits JOIN streams USING (stream) ORDER BY 1"
        ),
        "outbox": home.sql(
            "SELECT id, message, n, state, attempts FROM outbox JOIN streams USING (stream) ORDER BY 1, 2"
        ),
        "meters": home.sql("SELECT key, run, call, amount, state FROM meters ORDER BY 1, 2, 3"),
        "costs": home.sql("SELECT day, agent, calls, tokens, micro_usd FROM costs ORDER BY 1, 2"),
    }
    rows = stored_rows(home)
    await home.close()
    return {**left, **views, "rows": rows}


@pytest.mark.req("LIC-2.43")
@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(waits=st.lists(st.booleans(), min_size=3, max_size=12))
def test_a_life_in_shared_records_is_the_same_life_as_one_fact_a_record(waits: list[bool]) -> None:
    async def both() -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            together = await lived(Home(Path(one)), waits)
            with stored(together=False):
                apart = await lived(Home(Path(other)), waits)
        assert together.pop("rows") < apart.pop("rows")
        assert together == apart

    asyncio.run(both())


async def test_each_fact_is_erased_alone(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log))
    for number, subject in enumerate(("customer_1", "customer_2")):
        text = (Content("notes", subject, b"something"),)
        put(log, RUN, e.Draft(e.Planned(number, 1, "resume", error="no"), text))
    assert {place.seq for place in places(log, RUN)} == {places(log, RUN)[0].seq}
    await log.erase("customer_1", "e1")
    log = await home.reopen()
    with pytest.raises(ContentErased):
        log.contents(RUN, 1)
    assert log.contents(RUN, 2)["notes"] == b"something"
    assert log.state(RUN).n == 3
    await home.close()
    assert verify(home.logs).findings == ()


async def test_an_export_proves_shared_records_whole(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), plan_started(0), plan_started(1))
    document = await export(log, RUN)
    report = verify_export(document, log.public_key)
    assert [record.n for record in report.records] == [0, 1, 2]
    (stretch,) = report.runs
    assert stretch[0] == stretch[1]


async def test_a_key_within_a_shared_record_is_known_when_older_keys_are_on_disk_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "KEYS_MAX", 3)
    log = await home.reopen()
    put(log, RUN, started(log), plan_started(0))
    for number in range(1, 6):
        put(log, RUN, plan_started(2 * number), plan_started(2 * number + 1))
        await log.durable()
    assert [log.find(RUN, f"plan_started/{n}/1") for n in (0, 6, 7)] == [1, 6, 7]
    assert log.find(RUN, "run_started") == 0
    assert log.append_now({RUN: (plan_started(7),)}).repeated


# -- types of the future -----------------------------------------------------------------------------------------


@pytest.mark.req("LIC-2.45")
async def test_a_type_that_is_unknown_verifies_and_its_stream_refuses_to_fold(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await home.reopen()
    first_day(log)
    second_day(log)
    await home.close()
    monkeypatch.setattr(record_module, "TYPES", {k: v for k, v in record_module.TYPES.items() if k != "planned"})
    report = verify(home.logs)
    assert report.findings == ()
    assert report.logs[0].unread >= 1
    assert verification(report, report.logs[0].id).unread == report.logs[0].unread
    async with home.opened() as log:
        with pytest.raises(Corrupt) as caught:
            log.state(A)
        assert caught.value.code == "record_type_unknown"
        assert "lichen log verify" in caught.value.next_step
        assert log.state(S).n > 0
        assert verify_export(await export(log, A), log.public_key).records
    (row, *_) = [data for (data,) in home.sql("SELECT record FROM records") if b"planned/0/1" in data]
    assert encode(decode(row)) == row


@pytest.mark.req("LIC-2.45")
def test_a_newer_version_of_a_type_is_not_taken_for_the_one_that_is_known() -> None:
    later = record_of(e.TimerFired("t"), 1, 1, 0, 0)
    fields = msgspec.msgpack.decode(encode([later]))
    fields[8] = 2
    (read,) = decode(msgspec.msgpack.encode(fields))
    assert isinstance(read.control, e.Unknown)
    with pytest.raises(Corrupt, match="record_type_unknown"):
        evolve(initial(RUN), read.event)


async def test_damage_within_a_shared_record_is_found_with_its_place(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), plan_started(0), plan_started(1))
    await home.close()
    (data,) = next(row for row in home.sql("SELECT record FROM records") if b"plan_started/1/1" in row[0])
    home.sql(
        "UPDATE records SET record = ? WHERE record = ?", re.sub(rb"plan_started/1/1", b"plan_started/9/1", data), data
    )
    report = verify(home.logs)
    assert report.first is not None
    assert "records.record" in str(report.first)


# -- attacked ----------------------------------------------------------------------------------------------------


async def shared_by_two(home: Home) -> Log:
    """A record in which two people's words lie."""
    log = await home.reopen()
    put(log, RUN, started(log))
    for number, subject in enumerate(("customer_1", "customer_2")):
        words = (Content("notes", subject, f"words of {subject}".encode()),)
        put(log, RUN, e.Draft(e.Planned(number, 1, "resume", error="no"), words))
    await log.durable()
    assert {place.seq for place in places(log, RUN)} == {places(log, RUN)[0].seq}
    return log


@pytest.mark.req("LIC-2.48")
async def test_no_byte_of_a_shared_record_changes_unnoticed(home: Home) -> None:
    seq = places(await shared_by_two(home), RUN)[0].seq
    await home.close()
    ((data,),) = home.sql("SELECT record FROM records WHERE seq = ?", seq)
    for at in range(0, len(data), 7):
        flipped = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        home.sql("UPDATE records SET record = ? WHERE seq = ?", flipped, seq)
        assert verify(home.logs).first is not None, f"byte {at}"
    home.sql("UPDATE records SET record = ? WHERE seq = ?", data, seq)
    assert verify(home.logs).findings == ()


@pytest.mark.req("LIC-2.48")
@pytest.mark.parametrize("backed_up", ["before", "after"])
async def test_one_persons_part_of_a_shared_record_is_gone_from_exports_and_backups(
    home: Home, tmp_path: Path, backed_up: str
) -> None:
    log = await shared_by_two(home)
    if backed_up == "before":
        await asyncio.to_thread(backup, home.logs, tmp_path / "copy")
    await log.erase("customer_1", "e1")
    document = await export(log, RUN)
    assert len(verify_export(document, log.public_key).records) == 3
    if backed_up == "after":
        await asyncio.to_thread(backup, home.logs, tmp_path / "copy")
    await home.close()
    again = Home(tmp_path / "restored")
    again.keys = home.keys
    restore_logs(tmp_path / "copy", again.logs)
    with closing(Keyring.open(home.keys, home.random)) as keyring:
        accept_loss(again.logs, keyring, home.clock())
    async with again.opened() as log:
        with pytest.raises(ContentErased):
            log.contents(RUN, 1)
        assert log.contents(RUN, 2)["notes"] == b"words of customer_2"
        assert log.state(RUN).n == 3
    assert verify(again.logs).findings == ()


@pytest.mark.req("LIC-2.48")
async def test_facts_of_two_tenants_never_share_a_record(home: Home) -> None:
    volume = await home.open()
    logs = [volume.log(Scope(tenant, "dev")) for tenant in ("acme", "globex")]
    for number in range(5):
        for log in logs:
            put(log, RUN, started(log) if not number else plan_started(number))
    for log in logs:
        await log.durable()
    found = home.sql("SELECT id, record FROM records JOIN logs USING (log)")
    assert any(len(decode(data)) > 1 for _, data in found)
    assert all({record.log for record in decode(data)} == {id} for id, data in found)


DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from lichen.core.deciders import events as e
from lichen.core.words import faults
from lichen.testing.log_conformance import RUN, put, started
from tests.log.homes import Home

async def main():
    log = await Home(Path(sys.argv[1])).reopen()
    await log.durable()
    faults.install(lambda name: name == sys.argv[2] and os.kill(os.getpid(), signal.SIGKILL))
    put(log, RUN, started(log), e.Draft(e.PlanStarted(0, 1, "start")), e.Draft(e.Planned(0, 1, "start", error="no")))
    await log.durable()

asyncio.run(main())
"""


@pytest.mark.req("LIC-2.48")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_life_that_ends_leaves_a_shared_record_whole_or_not_at_all(tmp_path: Path, when: str) -> None:
    life = [sys.executable, "-c", DIES, str(tmp_path), f"commit.{when}/planned"]
    assert subprocess.run(life, cwd=ROOT, check=False).returncode == -signal.SIGKILL

    async def left() -> list[int]:
        async with Home(tmp_path, seed=2).opened() as log:
            return [record.n for record in log.records(RUN)]

    assert asyncio.run(left()) == ([0, 1, 2] if when == "after" else [])
    assert verify(tmp_path / "logs").findings == ()
