"""SquashFS files: read as Debian's tools write them and written as they read them, and refused where they lie."""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid, NotFound
from lichen.packs.container.limits import Limits
from lichen.packs.squash import layout
from lichen.packs.squash.image import opened, opened_file
from lichen.packs.squash.limits import LIMITS
from lichen.packs.squash.writing import squashed
from tests.packs.squashing import extracted, made, written

NOISE = random.Random(1).randbytes(300_000)
FILES = {
    "bundle.yaml": b"bundle_id: shop\n",
    "packs/shop.gtpack": NOISE,
    "packs/twin.gtpack": NOISE,
    "tenants/acme/tenant.gmap": b"_ = public\n",
    "empty": b"",
    "text/long.txt": b"a line of text\n" * 20_000,
    "block.bin": NOISE[: 2 * 131_072],
    "über/名前.txt": "grüße".encode(),
    **{f"many/{i:04}-{'n' * (i % 40)}": b"%d" % i for i in range(600)},
}


def _read(data: bytes, limits: Limits = LIMITS) -> dict[str, bytes]:
    image = opened("x.gtbundle", data, limits)
    return {path: image.read(path) for path in image}


def _refusal(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(Invalid) as caught:
        _read(data, limits)
    assert caught.value.place is not None
    assert caught.value.place.startswith("x.gtbundle")
    assert caught.value.next_step
    return caught.value.code


@pytest.mark.req("GRE-73.1")
@pytest.mark.parametrize("options", [["-comp", "gzip"], ["-comp", "xz"], ["-comp", "lzma"], ["-noI", "-noD", "-noF"]])
def test_what_mksquashfs_writes_is_read(tmp_path: Path, options: list[str]) -> None:
    folder = written(tmp_path / "in", FILES)
    assert _read(made(folder, tmp_path / "x.gtbundle", *options)) == FILES


@pytest.mark.req("GRE-73.1")
@pytest.mark.parametrize("options", [["-no-fragments"], ["-always-use-fragments"], ["-b", "4096"], ["-b", "1M"]])
def test_blocks_and_fragments_of_every_size_are_read(tmp_path: Path, options: list[str]) -> None:
    files = {path: data for path, data in FILES.items() if not path.startswith("many/")}
    folder = written(tmp_path / "in", files)
    assert _read(made(folder, tmp_path / "x.gtbundle", *options)) == files


@pytest.mark.req("GRE-73.1")
def test_a_sparse_file_is_read_as_what_it_is(tmp_path: Path) -> None:
    files = {"hole": NOISE[:10_000] + bytes(400_000) + b"end"}
    assert _read(made(written(tmp_path / "in", files), tmp_path / "x.gtbundle")) == files


@pytest.mark.req("GRE-73.1")
@pytest.mark.parametrize("kind", ["zstd", "lz4", "lzo"])
def test_a_compressor_that_is_not_read_is_named(tmp_path: Path, kind: str) -> None:
    data = made(written(tmp_path / "in", {"a": b"a" * 9_000}), tmp_path / "x.gtbundle", "-comp", kind)
    with pytest.raises(Invalid, match=kind) as caught:
        opened("x.gtbundle", data)
    assert caught.value.code == "bundle_compression"


@pytest.mark.req("GRE-73.2")
def test_what_is_written_is_read_by_unsquashfs_and_is_the_same_twice(tmp_path: Path) -> None:
    data = squashed("shop", FILES)
    assert data == squashed("shop", dict(reversed(FILES.items())))
    assert extracted(data, tmp_path / "out") == FILES
    assert _read(data) == FILES


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\\:"), min_size=1)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.mark.req("GRE-73.2")
@given(st.dictionaries(PATHS, st.binary(max_size=9_000), max_size=8))
def test_files_that_can_be_written_are_read_as_they_were(files: dict[str, bytes]) -> None:
    try:
        data = squashed("shop", files)
    except Invalid:
        return
    assert _read(data) == dict(sorted(files.items()))


def _linked(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")


def _twice(folder: Path) -> None:
    os.link(folder / "a", folder / "b")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


@pytest.mark.req("GRE-73.3")
@pytest.mark.parametrize(
    ("spoil", "code"),
    [(_linked, "bundle_entry_special"), (_twice, "bundle_entry_linked"), (_pipe, "bundle_entry_special")],
)
def test_links_and_what_is_no_file_are_refused(tmp_path: Path, spoil: Callable[[Path], None], code: str) -> None:
    folder = written(tmp_path / "in", {"a": b"a"})
    spoil(folder)
    assert _refusal(made(folder, tmp_path / "x.gtbundle")) == code


@pytest.mark.req("GRE-73.3")
@pytest.mark.parametrize("kind", ["c 644 0 0 1 1", "b 644 0 0 1 1"])
def test_devices_are_refused(tmp_path: Path, kind: str) -> None:
    folder = written(tmp_path / "in", {"a": b"a"})
    assert _refusal(made(folder, tmp_path / "x.gtbundle", "-p", f"disk {kind}")) == "bundle_entry_special"


@pytest.mark.req("GRE-73.3")
@pytest.mark.parametrize(
    "name", [b"../x", b"....", b"/etc", b"a\\bc", b"C:xy", b"a\x00bc", b"\xff\xfe\xfd\xfc", b"a\x1b[m"]
)
def test_names_that_lead_elsewhere_are_refused(name: bytes) -> None:
    data = squashed("shop", {"name": b"1"}).replace(b"name", name)
    assert _refusal(data if name != b"...." else _two_dots()) == "bundle_path"


def _two_dots() -> bytes:
    return squashed("shop", {"nn": b"1"}).replace(b"nn", b"..")


@pytest.mark.req("GRE-73.3")
def test_names_that_are_one_on_some_system_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "in", {"Readme": b"a", "README": b"b"})
    assert _refusal(made(folder, tmp_path / "x.gtbundle")) == "bundle_entry_twice"
    assert _refusal(squashed("shop", {"aaaa": b"1", "bbbb": b"2"}).replace(b"bbbb", b"aaaa")) == "bundle_entry_twice"


def _folder_in_itself() -> bytes:
    """An image whose folder `d` lists, instead of a file, itself."""
    data = bytearray(squashed("shop", {"d/file": b"1"}))
    entry = data.index(b"file") - layout.ENTRY.size
    offset, away, _, length = layout.ENTRY.unpack_from(data, entry)
    own = data.index(b"d", data.index(b"file") + 4) - layout.ENTRY.size
    folder = layout.ENTRY.unpack_from(data, own)[0]
    assert folder != offset
    layout.ENTRY.pack_into(data, entry, folder, away, layout.BASIC_FOLDER, length)
    return bytes(data)


@pytest.mark.req("GRE-73.3")
def test_a_folder_that_lies_in_itself_is_refused() -> None:
    assert _refusal(_folder_in_itself()) == "bundle_entry_linked"


@pytest.mark.req("GRE-73.3")
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    folder = written(tmp_path / "in", {"bomb": b"a" * 3_000_000})
    assert _refusal(made(folder, tmp_path / "x.gtbundle")) == "bundle_ratio"
    sparse = written(tmp_path / "sparse", {"hole": bytes(3_000_000)})
    assert _refusal(made(sparse, tmp_path / "y.gtbundle")) == "bundle_ratio"


@pytest.mark.req("GRE-73.3")
def test_more_than_is_allowed_is_refused(tmp_path: Path) -> None:
    data = made(written(tmp_path / "in", FILES), tmp_path / "x.gtbundle")
    for limits in (
        Limits(archive_bytes=1_000),
        Limits(entry_bytes=100_000),
        Limits(total_bytes=500_000),
        Limits(entries=100),
    ):
        assert _refusal(data, limits) == "bundle_too_large"
    assert _refusal(data, Limits(path_bytes=20)) == "bundle_path"


@pytest.mark.req("GRE-73.3")
def test_blocks_that_lie_in_one_another_are_refused() -> None:
    data = bytearray(squashed("shop", {"a": NOISE[:1_000], "b": NOISE[1_000:2_000]}))
    head = layout.SUPER.unpack_from(data)
    second = head[15] + 2 + layout.HEADER.size + layout.FILE.size + 4 + layout.HEADER.size
    start = struct.unpack_from("<I", data, second)[0]
    assert start == layout.SUPER.size + 1_000
    struct.pack_into("<I", data, second, start - 10)
    assert _refusal(bytes(data)) == "bundle_overlap"


@pytest.mark.req("GRE-73.3")
def test_an_image_that_ends_too_early_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    files = {"a": b"a" * 5_000, "d/b": NOISE[:3_000], "d/c": b"c"}
    for data in (squashed("shop", files), made(written(tmp_path / "in", files), tmp_path / "x", "-nopad")):
        for length in range(0, len(data), 61):
            assert _refusal(data[:length]).startswith("bundle_")


@pytest.mark.req("GRE-73.3")
def test_what_is_no_squashfs_file_is_told_from_one() -> None:
    for data in (b"", b"PK\x03\x04 and more", zlib.compress(b"x"), b"\0" * 4_096):
        assert _refusal(data) == "bundle_not_squashfs"
    assert _refusal(squashed("shop", {"a": b"1"}) + b"more") == "bundle_header"


@pytest.mark.req("GRE-73.3")
def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        opened_file(tmp_path / "none.gtbundle")
    assert caught.value.code == "file_missing"
    with pytest.raises(NotFound) as missing:
        opened("x.gtbundle", squashed("shop", {"a": b"1"})).read("b")
    assert missing.value.code == "bundle_file_missing"


@pytest.mark.req("GRE-73.3")
@pytest.mark.parametrize("field", [15, 16])
@pytest.mark.parametrize("place", [0, 95, 2**31, 2**64 - 2])
def test_tables_that_lie_elsewhere_are_refused(field: int, place: int) -> None:
    fields = list(layout.SUPER.unpack_from(squashed("shop", {"a": b"1"})))
    data = bytearray(squashed("shop", {"a": b"1"}))
    fields[field] = place
    layout.SUPER.pack_into(data, 0, *fields)
    assert _refusal(bytes(data)) == "bundle_header"
