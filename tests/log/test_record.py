from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.policy import Reservation
from lichen.core.speech.attached import Attached
from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import CallId, LogId, StreamId
from lichen.core.words.label import Label
from lichen.core.words.limits import Limits, Usage
from lichen.log.projections.every import TABLES
from lichen.log.records.record import Blob, Record, SealedPart, aad, decode, encode

RECORD_MD = (Path(__file__).parents[2] / "RECORD.md").read_text()
CONTROL = e.CallFinished(CallId("c1"), 1, "ok", "", 900, 0)
RECORD = Record(
    1,
    LogId("acme/dev/0"),
    7,
    1_800_000_000_000_000,
    StreamId("run", "run-1"),
    3,
    CONTROL.key,
    CONTROL.type,
    1,
    5,
    "customer_1",
    "t1",
    CONTROL,
    (SealedPart("result", 2, b"n" * 12, b"sealed"), SealedPart("reason", 2, b"m" * 12, Blob(b"d" * 32, 70_000))),
    Label(("tool:shop.pay",), 2),
)
FIELDS = [
    1,
    "acme/dev/0",
    7,
    1_800_000_000_000_000,
    ["run", "run-1"],
    3,
    "call_finished/c1/1",
    "call_finished",
    1,
    5,
    "customer_1",
    "t1",
    ["c1", 1, "ok", "", 900, 0, 0, False, 0, 0],
    [["result", 2, b"n" * 12, b"sealed"], ["reason", 2, b"m" * 12, [b"d" * 32, 70_000]]],
    [["tool:shop.pay"], 2],
]


def packed(fields: list[Any]) -> bytes:
    return msgspec.msgpack.encode(fields)


def table_rows(heading: str) -> list[list[str]]:
    """The cells of every table row under a heading of RECORD.md, code marks stripped."""
    section = re.split(r"^#+ ", RECORD_MD, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(f"{heading}\n"))
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in row] for row in rows]


@pytest.mark.req("LIC-3.8")
def test_a_record_is_the_documented_array() -> None:
    assert encode([RECORD]) == packed(FIELDS)


def test_a_record_comes_back_as_it_was() -> None:
    assert decode(encode([RECORD])) == (RECORD,)


def test_what_a_content_is_bound_to_is_documented() -> None:
    bound_to = aad(RECORD.log, RECORD.stream, 3, key=RECORD.key, kind=RECORD.type, part="result")
    assert bound_to == packed(["acme/dev/0", "run", "run-1", 3, "call_finished/c1/1", "call_finished", "result"])


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 2),
        (0, "1"),
        (1, None),
        (2, "7"),
        (4, ["room", "run-1"]),
        (4, ["run"]),
        (12, ["c1"]),
        (12, {"call": "c1"}),
        (13, [["result", 2, b"n"]]),
        (13, [["result", 2, b"n", b"x", 1]]),
        (14, None),
    ],
)
def test_bytes_that_are_not_a_record_are_refused(index: int, value: object) -> None:
    with pytest.raises(Corrupt) as caught:
        decode(packed([*FIELDS[:index], value, *FIELDS[index + 1 :]]))
    assert caught.value.code == "record_malformed"


@pytest.mark.parametrize("data", [b"", b"\x00", packed(FIELDS)[:-1], packed(FIELDS) + b"\x00", packed([*FIELDS, 1])])
def test_cut_or_lengthened_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Corrupt, match="record_malformed"):
        decode(data)


def test_a_field_added_later_takes_its_default_in_an_old_record() -> None:
    old = [*FIELDS[:12], ["c1", 1, "ok"], *FIELDS[13:]]
    assert decode(packed(old))[0].control == e.CallFinished(CallId("c1"), 1, "ok")


@pytest.mark.req("LIC-3.8")
def test_the_documented_controls_are_those_of_the_code() -> None:
    documented = {
        name: (int(version), fields.split(", ")) for name, version, fields in table_rows("Controls")[: len(e.TYPES)]
    }
    assert documented == {name: (t.type_v, list(t.__struct_fields__)) for name, t in e.TYPES.items()}


def test_the_documented_inner_values_are_those_of_the_code() -> None:
    documented = {name: fields.split(", ") for _, name, fields in table_rows("Controls")[len(e.TYPES) :]}
    values = (e.PlannedCall, e.Pins, e.Parent, Limits, Usage, Reservation, e.ModelAsked, e.Ruling, Attached)
    assert documented == {value.__name__: list(value.__struct_fields__) for value in values}


def test_the_documented_elements_are_those_of_the_code() -> None:
    elements = [row[0] for row in table_rows("Contents")]
    assert elements == list(SealedPart.__struct_fields__)
    names = re.findall(r"^\| \d+ \| `(\w+)`", RECORD_MD, flags=re.MULTILINE)
    assert [*names, "i"] == list(Record.__struct_fields__)


def test_the_documented_tables_are_those_of_the_code() -> None:
    documented = {name: columns.split(", ") for name, columns in table_rows("Volume")}
    assert documented == {table.name: [column.name for column in table.columns] for table in TABLES}
