from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec
import pytest

from lichen.core.deciders.events import TYPES
from lichen.core.words.errors import ContentErased
from lichen.log.audit.export import verify_export
from lichen.log.audit.verify import verify
from lichen.log.keys.keyring import Keyring
from lichen.log.records.record import decode, encode
from tests.golden.volumes import GOLDEN, copy
from tests.log.busy import SESSION, A, S
from tests.log.homes import Home

VERSIONS = (
    "v1",
    "v1.1",
    "v1.2",
    "v1.3",
    "v1.4",
    "v1.5",
    "v1.6",
    "v1.7",
    "v1.8",
    "v1.9",
    "v1.10",
    "v1.11",
    "v1.12",
    "v1.13",
    "v1.14",
)
NEWEST = VERSIONS[14:]  # those with every record type and every field there is
SINGLE, SEVERAL = "v1.2", "v1.3"  # facts of a record
CONTROL = 12  # where a record has its control
FACT_CONTROL = 7  # where one of several facts has its own


def stored(version: str) -> list[bytes]:
    return [bytes.fromhex(line) for line in (GOLDEN / version / "records.hex").read_text().splitlines()]


def begins(new: object, old: object) -> bool:
    """Whether `new` is `old`, with fields that came later at the end of its arrays."""
    if isinstance(new, list) and isinstance(old, list):
        now, before = cast(list[object], new), cast(list[object], old)
        return len(now) >= len(before) and all(map(begins, now, before))
    return new == old


@pytest.mark.req("LIC-3.8")
@pytest.mark.parametrize("version", VERSIONS)
def test_golden_records_are_read_and_written_again_with_later_fields_at_their_end(version: str) -> None:
    for data in stored(version):
        old, new = msgspec.msgpack.decode(data), msgspec.msgpack.decode(encode(decode(data)))
        assert [*new[:CONTROL], *new[CONTROL + 1 :]] == [*old[:CONTROL], *old[CONTROL + 1 :]]
        if len(decode(data)) == 1:
            assert begins(new[CONTROL], old[CONTROL])
            continue
        for before, after in zip(old[CONTROL], new[CONTROL], strict=True):
            assert begins(after[FACT_CONTROL], before[FACT_CONTROL])
            assert [*after[:FACT_CONTROL], *after[FACT_CONTROL + 1 :]] == [
                *before[:FACT_CONTROL],
                *before[FACT_CONTROL + 1 :],
            ]


@pytest.mark.req("LIC-3.8")
@pytest.mark.parametrize("version", NEWEST)
def test_the_newest_golden_records_are_encoded_to_the_same_bytes_and_are_of_every_type(version: str) -> None:
    for data in stored(version):
        assert encode(decode(data)) == data
    assert {fact.type for data in stored(version) for fact in decode(data)} == set(TYPES)


@pytest.mark.req("LIC-2.43")
def test_golden_volumes_have_records_of_several_facts_and_of_one() -> None:
    assert all(max(len(decode(data)) for data in stored(version)) > 2 for version in (SEVERAL, VERSIONS[-1]))
    assert all(len(decode(data)) == 1 for data in stored(SINGLE))


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_records_are_of_known_types_and_have_the_documented_keys(version: str) -> None:
    records = [fact for data in stored(version) for fact in decode(data)]
    assert {record.type for record in records} <= set(TYPES)
    assert all(record.key == record.control.key for record in records)


@pytest.mark.req("LIC-3.8")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_volume_verifies(version: str, tmp_path: Path) -> None:
    copy(version, tmp_path)
    home = Home(tmp_path)
    keyring = Keyring.open(home.keys, home.random)
    report = verify(home.logs, keyring=keyring)
    keyring.close()
    assert report.findings == ()
    assert report.remembered == 1
    assert [record for (record,) in home.sql("SELECT record FROM records ORDER BY seq")] == stored(version)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_golden_volume_opens_reads_and_goes_on(version: str, tmp_path: Path) -> None:
    copy(version, tmp_path)
    home = Home(tmp_path)
    async with home.opened() as log:
        assert log.contents(S, 1)["text"] == b"Pay 10 please"
        assert len(log.contents(A, 2)["state"]) == 65_537
        assert [row.id for row in log.stream_rows("session")][-1] == SESSION
        with pytest.raises(ContentErased):
            log.contents(log.stream_rows("session")[0].stream, 0)
        assert log.last_seq == len(stored(version)) + 1
    keyring = Keyring.open(home.keys, home.random)
    assert verify(home.logs, keyring=keyring).findings == ()
    keyring.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_export_verifies_with_the_public_key_alone(version: str) -> None:
    key = bytes.fromhex((GOLDEN / version / "public.key").read_text())
    report = verify_export((GOLDEN / version / "export.json").read_bytes(), key)
    assert {record.stream for record in report.records} == {A}
