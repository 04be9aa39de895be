from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.words.errors import Corrupt, Invalid
from lichen.core.words.ids import RunId, SessionId, run_stream, session_stream
from lichen.log.audit.export import export, verify_export
from lichen.log.log import Log
from lichen.testing.log_conformance import OTHER, RUN, planned, put, started
from tests.log.busy import A, B, S, live
from tests.log.homes import Home


@pytest.fixture
async def log(home: Home) -> Log:
    log = await home.reopen()
    await live(log)
    return log


def edited(data: bytes, **fields: Any) -> bytes:
    """The document with other values in it, spelled as an export is."""
    document: dict[str, Any] = msgspec.json.decode(data)
    return msgspec.json.encode(document | fields) + b"\n"


@pytest.mark.req("LIC-4.1")
async def test_one_record_exports_with_its_proof_and_verifies_with_the_public_key_alone(log: Log) -> None:
    report = verify_export(await export(log, range(5, 6)), log.public_key)
    assert report.is_key_known
    assert report.records == (log.read(4, 1)[0],)
    assert (report.head.log_id, report.head.size) == (log.id, log.durable_seq)


@pytest.mark.req("LIC-4.1")
async def test_a_run_exports_all_of_its_records_in_order(log: Log) -> None:
    report = verify_export(await export(log, A), log.public_key)
    assert list(report.records) == log.records(A)


async def test_a_session_exports_with_its_runs(log: Log) -> None:
    report = verify_export(await export(log, S), log.public_key)
    assert {record.stream for record in report.records} == {S, A, B}
    assert [record.seq for record in report.records] == sorted(
        record.seq for stream in (S, A, B) for record in log.records(stream)
    )


async def test_a_range_of_positions_ends_where_the_log_does(log: Log) -> None:
    report = verify_export(await export(log, range(1, 10_000)), log.public_key)
    assert sorted({record.seq for record in report.records}) == list(range(1, log.durable_seq + 1))


async def test_what_was_appended_just_now_is_made_durable_and_signed_first(log: Log) -> None:
    put(log, RUN, started(log))
    assert len(verify_export(await export(log, RUN), log.public_key).records) == 1


@pytest.mark.req("LIC-4.2")
async def test_changing_any_byte_of_an_export_is_found(home: Home) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), e.Draft(e.PlanStarted(0, 1, "start")))
    put(log, OTHER, started(log))
    data = await export(log, RUN)
    verify_export(data, log.public_key)
    for index in range(len(data)):
        for flip in (1, 0x20, 0x80):
            changed = data[:index] + bytes([data[index] ^ flip]) + data[index + 1 :]
            with pytest.raises(Corrupt):
                verify_export(changed, log.public_key)


@pytest.mark.req("LIC-4.2")
async def test_another_spelling_of_the_same_export_is_refused(log: Log) -> None:
    data = await export(log, A)
    for other in (data + b"\n", data[:-1], b" " + data, data.replace(b'{"format"', b'{ "format"', 1)):
        with pytest.raises(Corrupt, match="export_corrupt"):
            verify_export(other, log.public_key)
    with pytest.raises(Corrupt, match="export_corrupt"):
        verify_export(edited(data, note="trust me"), log.public_key)


@pytest.mark.req("LIC-4.2")
async def test_records_that_changed_places_are_refused(log: Log) -> None:
    data = await export(log, A)
    records: list[Any] = msgspec.json.decode(data)["records"]
    with pytest.raises(Corrupt, match="not in the log's order"):
        verify_export(edited(data, records=[records[1], records[0]]), log.public_key)
    with pytest.raises(Corrupt, match="not in the log's order"):
        verify_export(edited(data, records=[records[0], records[0]]), log.public_key)


@pytest.mark.req("LIC-4.2")
async def test_a_record_under_another_position_is_named(log: Log) -> None:
    data = await export(log, A)
    records: list[Any] = msgspec.json.decode(data)["records"]
    records[1]["seq"] += 1
    with pytest.raises(Corrupt) as caught:
        verify_export(edited(data, records=records[:2]), log.public_key)
    assert caught.value.place == f"{log.id}:{records[1]['seq']}"


@pytest.mark.req("LIC-4.3")
async def test_an_export_of_a_stranger_does_not_pass_for_ours(log: Log, home: Home) -> None:
    stranger = Home(home.logs.parent / "stranger", seed=9)
    async with stranger.opened() as other:
        put(other, RUN, started(other))
        forged = await export(other, RUN)
        assert not verify_export(forged).is_key_known  # it merely agrees with itself
    with pytest.raises(Corrupt, match="another key"):
        verify_export(forged, log.public_key)


async def test_an_erased_person_s_records_still_export_and_prove_what_happened(log: Log) -> None:
    mailbox = session_stream(SessionId("ses-b"))
    report = verify_export(await export(log, mailbox), log.public_key)
    assert [type(record.control) for record in report.records] == [e.MailboxOpened, e.MailboxClosed]


async def test_an_export_of_nothing_is_refused(log: Log) -> None:
    for nothing in (run_stream(RunId("run-nobody")), range(5, 5), range(10_000, 10_001)):
        with pytest.raises(Invalid, match="export_empty"):
            await export(log, nothing)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 33])
async def test_proofs_hold_whatever_the_size_of_the_log(home: Home, size: int) -> None:
    log = await home.reopen()
    put(log, RUN, started(log), planned(log))
    for number in range(size):
        put(log, run_stream(RunId(f"run-{number + 10}")), started(log))
    report = verify_export(await export(log, range(1, 100)), log.public_key)
    assert len(report.records) == size + 3
