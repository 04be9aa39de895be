"""The container of a pack: what is no pack, and what only looks like one, is refused with a code and a place."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.packs.container.archive import opened, opened_file
from lichen.packs.container.limits import Limits
from lichen.packs.container.writing import packed
from tests.packs.making import zipped

FILES = {"a.txt": b"one", "flows/b.ygtc": b"two" * 40}
CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"

NAMES = st.text(st.characters(codec="utf-8", categories=["Ll", "Nd"]), min_size=1, max_size=8)


def patched(data: bytes, at: int, fmt: str, *values: int) -> bytes:
    raw = struct.pack(fmt, *values)
    return data[:at] + raw + data[at + len(raw) :]


def central(data: bytes, number: int = 0) -> int:
    """Where the entry of this number is listed."""
    at = data.index(CENTRAL)
    for _ in range(number):
        at = data.index(CENTRAL, at + 4)
    return at


def named(path: str) -> bytes:
    return zipped({path: b"x"})


def renamed(old: bytes, new: bytes) -> bytes:
    """An archive in which a name is another one of the same length, in both places."""
    return zipped({old.decode(): b"x"}).replace(old, new)


def special(mode: int) -> bytes:
    return patched(zipped({"a": b"/etc/passwd"}), central(zipped({"a": b"/etc/passwd"})) + 38, "<L", mode << 16)


def twice(first: str, second: str) -> bytes:
    return zipped({first: b"x", second: b"y"})


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("manifest.cbor"))
    return out.getvalue()


def overlapping() -> bytes:
    """Two entries that are the same bytes, as those of a better bomb."""
    data = zipped({"a": b"x", "b": b"x"})
    return patched(data, central(data, 1) + 42, "<L", 0)


def bomb() -> bytes:
    return zipped({"a": bytes(8 * 1024 * 1024)}, zipfile.ZIP_DEFLATED)


def liar() -> bytes:
    """A deflated entry that says it is smaller than it is."""
    data = zipped({"a": b"x" * 5_000}, zipfile.ZIP_DEFLATED)
    data = patched(data, central(data) + 24, "<L", 10)
    return patched(data, 22, "<L", 10)


def with_extra(kind: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a")
        info.extra = struct.pack("<2H", kind, 4) + b"name"
        archive.writestr(info, b"x")
    return out.getvalue()


def cut_list() -> bytes:
    data = zipped(FILES)
    return patched(data, data.index(END) + 8, "<2H", 3, 3)


def more_list() -> bytes:
    data = zipped(FILES)
    return patched(data, data.index(END) + 8, "<2H", 1, 1)


def commented() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = b"hello"
    return out.getvalue()


def gap() -> bytes:
    """Bytes between an entry and the next one that belong to neither."""
    first = zipped({"a": b"x"})
    at = first.index(CENTRAL)
    both = zipped({"a": b"x", "b": b"y"})
    moved = both[:at] + b"hidden" + both[at:]
    moved = patched(moved, central(moved, 1) + 42, "<L", at + 6)
    end = moved.index(END)
    return patched(moved, end + 16, "<L", moved.index(CENTRAL))


def local(at: int, fmt: str, *values: int) -> bytes:
    return patched(zipped({"a": b"x"}), at, fmt, *values)


def listed_as(at: int, fmt: str, *values: int) -> bytes:
    data = zipped({"a": b"x"})
    return patched(data, central(data) + at, fmt, *values)


def no_entry() -> bytes:
    """A list that points into the bytes of an entry."""
    data = zipped({"a": b"PK\x03\x05" + bytes(60), "b": b"x"})
    first = data.index(LOCAL)
    return data[:first] + b"PK\x03\x04" + data[first + 4 :].replace(LOCAL, b"PK\x03\x06", 1)


CORPUS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "json": ("pack_is_json", lambda: json.dumps({"meta": {}}).encode()),
    "tar": ("pack_is_tar", tarred),
    "gzip": ("pack_is_gzip", lambda: gzip.compress(zipped(FILES))),
    "nothing": ("pack_not_zip", lambda: b""),
    "text": ("pack_not_zip", lambda: b"hello"),
    "cut": ("pack_truncated", lambda: zipped(FILES)[:-30]),
    "cut in an entry": ("pack_truncated", lambda: zipped(FILES)[:40]),
    "something before": ("pack_data_around", lambda: b"#!/bin/sh\n" + zipped(FILES)),
    "something after": ("pack_data_around", lambda: zipped(FILES) + b"x"),
    "something between": ("pack_data_around", gap),
    "a comment": ("pack_data_around", commented),
    "a list that is longer": ("pack_data_around", more_list),
    "a list that is shorter": ("pack_truncated", cut_list),
    "parent": ("pack_path_parent", lambda: named("../../etc/passwd")),
    "parent inside": ("pack_path_parent", lambda: named("a/../../b")),
    "circle": ("pack_path_parent", lambda: named("./a")),
    "doubled slash": ("pack_path_parent", lambda: named("a//b")),
    "absolute": ("pack_path_absolute", lambda: named("/etc/passwd")),
    "drive": ("pack_path_drive", lambda: named("C:/x")),
    "backslash": ("pack_path_backslash", lambda: renamed(b"a/x.txt", b"a\\x.txt")),
    "nul": ("pack_path_control", lambda: renamed(b"a_x.txt", b"a\0x.txt")),
    "newline": ("pack_path_control", lambda: named("a\nb")),
    "long": ("pack_path_long", lambda: named("a" * 600)),
    "deep": ("pack_path_long", lambda: named("a/" * 30 + "b")),
    "encoding": ("pack_path_encoding", lambda: renamed(b"a_x.txt", b"a\xffx.txt")),
    "twice": ("pack_entry_twice", lambda: twice("a", "b").replace(b"b", b"a")),
    "twice by case": ("pack_entry_twice", lambda: twice("Flow.ygtc", "flow.ygtc")),
    "twice by spelling": ("pack_entry_twice", lambda: twice("caf\u00e9", "cafe\u0301")),
    "twice by width": ("pack_entry_twice", lambda: twice("\uff41", "a")),
    "file and folder": ("pack_path_both", lambda: twice("a", "a/b")),
    "link": ("pack_entry_special", lambda: special(0o120777)),
    "device": ("pack_entry_special", lambda: special(0o060644)),
    "pipe": ("pack_entry_special", lambda: special(0o010644)),
    "folder by mode": ("pack_entry_special", lambda: special(0o040755)),
    "encrypted": ("pack_entry_encrypted", lambda: listed_as(8, "<H", 1)),
    "method": ("pack_entry_method", lambda: zipped(FILES, zipfile.ZIP_BZIP2)),
    "lzma": ("pack_entry_method", lambda: zipped(FILES, zipfile.ZIP_LZMA)),
    "name before its bytes": ("pack_header_differs", lambda: local(30, "<B", ord("b"))),
    "checksum before its bytes": ("pack_header_differs", lambda: local(14, "<L", 7)),
    "method before its bytes": ("pack_header_differs", lambda: local(8, "<H", 8)),
    "no entry there": ("pack_header_differs", no_entry),
    "another name beside": ("pack_header_differs", lambda: with_extra(0x7075)),
    "zip64 beside": ("pack_zip64", lambda: with_extra(1)),
    "zip64 size": ("pack_zip64", lambda: listed_as(24, "<L", 0xFFFFFFFF)),
    "zip64 end": ("pack_zip64", lambda: patched(zipped(FILES), zipped(FILES).index(END) + 16, "<L", 0xFFFFFFFF)),
    "parts": ("pack_in_parts", lambda: patched(zipped(FILES), zipped(FILES).index(END) + 4, "<H", 1)),
    "overlap": ("pack_entries_overlap", overlapping),
    "bomb": ("pack_entry_ratio", bomb),
    "stored bomb": ("pack_entry_ratio", lambda: listed_as(24, "<L", 99)),
}  # fmt: skip


@pytest.mark.req("GRE-32.1")
@pytest.mark.parametrize("name", CORPUS)
def test_what_is_no_plain_zip_file_is_refused_by_name(name: str) -> None:
    code, make = CORPUS[name]
    with pytest.raises(Invalid) as told:
        opened("shop.gtpack", make())
    assert told.value.code == code
    assert (told.value.place or "").startswith("shop.gtpack")
    assert told.value.next_step


@pytest.mark.req("GRE-32.2")
def test_bytes_that_are_not_those_that_were_packed_are_refused_when_they_are_read() -> None:
    data = zipped({"a": b"hello"})
    broken = opened("x.gtpack", data.replace(b"hello", b"hullo"))
    with pytest.raises(Invalid, match=r"pack_entry_crc at x\.gtpack!/a"):
        broken.read("a")
    with pytest.raises(Invalid, match="pack_entry_data"):
        opened("x.gtpack", liar()).read("a")
    with pytest.raises(NotFound, match="pack_file_missing"):
        broken.read("b")


@pytest.mark.req("GRE-32.3")
@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(archive_bytes=50), "pack_too_large"),
        (Limits(entry_bytes=100), "pack_entry_too_large"),
        (Limits(total_bytes=122), "pack_total_too_large"),
        (Limits(entries=1), "pack_entries_many"),
    ],
)
def test_a_pack_is_bounded_in_every_direction(limits: Limits, code: str) -> None:
    assert list(opened("x.gtpack", zipped(FILES)))
    with pytest.raises(Invalid, match=code):
        opened("x.gtpack", zipped(FILES), limits)


@pytest.mark.req("GRE-32.3")
def test_a_file_is_not_read_beyond_the_bound(tmp_path: Path) -> None:
    (tmp_path / "x.gtpack").write_bytes(zipped(FILES))
    assert opened_file(tmp_path / "x.gtpack").read("a.txt") == b"one"
    with pytest.raises(Invalid, match="pack_too_large"):
        opened_file(tmp_path / "x.gtpack", Limits(archive_bytes=10))
    with pytest.raises(NotFound, match="file_missing"):
        opened_file(tmp_path / "y.gtpack")


@pytest.mark.req("GRE-32.4")
def test_archives_of_other_writers_are_read_in_any_order_and_compression() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("flows")
        with archive.open("flows/z", "w") as file:  # written as a stream: its size stands behind it
            file.write(b"z" * 100)
        archive.writestr("ä.txt", b"")
    found = opened("x.gtpack", out.getvalue())
    assert {path: found.read(path) for path in found} == {"flows/z": b"z" * 100, "ä.txt": b""}
    assert "flows" not in found

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    streamed = Stream()
    with zipfile.ZipFile(streamed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"y" * 50)
    data = streamed.getvalue()
    assert opened("x.gtpack", data).read("a") == b"y" * 50
    with pytest.raises(Invalid, match="pack_header_differs"):
        opened("x.gtpack", data.replace(b"PK\x07\x08", b"PK\x07\x09"))


@pytest.mark.req("GRE-30.1")
@given(st.dictionaries(NAMES, st.binary(max_size=200)))
def test_what_is_packed_is_read_the_same_by_us_and_by_python(files: dict[str, bytes]) -> None:
    try:
        data = packed("x.gtpack", files)
    except Invalid as error:
        assert error.code == "pack_entry_twice"  # noqa: PT017 - only where two names are one
        return
    assert packed("x.gtpack", dict(reversed(files.items()))) == data
    found = opened("x.gtpack", data)
    assert {path: found.read(path) for path in found} == files
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {each.filename: archive.read(each) for each in archive.infolist()} == files
        assert all(each.date_time == (1980, 1, 1, 0, 0, 0) for each in archive.infolist())


@pytest.mark.req("GRE-32.5")
@given(st.data())
def test_a_pack_with_any_byte_changed_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(zipped({"a": b"hello" * 9, "b/c": b"x"}, zipfile.ZIP_DEFLATED))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = opened("x.gtpack", bytes(raw))
        for path in found:
            assert zlib.crc32(found.read(path)) == found.entries[path].crc
    except LichenError as error:
        assert error.code.startswith("pack_")  # noqa: PT017 - both ways are right
