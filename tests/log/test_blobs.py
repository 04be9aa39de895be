"""The blob store: a blob is whole, what it was, or not there."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from lichen.core.words.errors import Corrupt, Invalid, NotFound, Unavailable
from lichen.log.disk.blobs import Blobs

DATA = bytes(range(256)) * 300


def test_a_blob_reads_back_under_its_digest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")

    digest = blobs.put(DATA)

    assert digest == sha256(DATA).digest()
    assert blobs.get(digest, len(DATA)) == DATA
    assert Blobs(tmp_path / "blobs").get(digest, len(DATA)) == DATA


def test_an_empty_blob_is_a_blob(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)

    assert blobs.get(blobs.put(b""), 0) == b""


def test_putting_a_blob_twice_stores_it_once(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)

    assert blobs.put(DATA) == blobs.put(DATA)

    assert [path.name for path in tmp_path.iterdir()] == [sha256(DATA).hexdigest()]


def test_threads_that_put_the_same_blob_do_not_disturb_each_other(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(blobs.put, [DATA] * 64))

    assert digests == {sha256(DATA).digest()} == set(blobs.list())
    assert blobs.get(digests.pop(), len(DATA)) == DATA


def test_every_kind_of_damage_is_found_and_put_right_by_the_next_put(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(DATA)
    path = tmp_path / digest.hex()

    for damaged in (b"", DATA[:-1], DATA + b"\0", b"\1" + DATA[1:]):
        path.write_bytes(damaged)
        with pytest.raises(Corrupt):
            blobs.get(digest, len(DATA))
        blobs.put(DATA)
        assert blobs.get(digest, len(DATA)) == DATA


def test_a_record_with_the_wrong_size_does_not_read(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(DATA)

    for size in (0, len(DATA) - 1, len(DATA) + 1):
        with pytest.raises(Corrupt):
            blobs.get(digest, size)


def test_a_missing_blob_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        Blobs(tmp_path).get(bytes(32), 1)

    assert caught.value.code == "blob_missing"


def test_a_deleted_blob_is_gone_and_may_be_deleted_again(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    gone, kept = blobs.put(DATA), blobs.put(b"kept")

    blobs.delete(gone)
    blobs.delete(gone)

    assert list(blobs.list()) == [kept]


def test_a_blob_beyond_the_bound_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path, blob_bytes_max=10)
    blobs.put(bytes(10))

    with pytest.raises(Invalid) as caught:
        blobs.put(bytes(11))

    assert caught.value.code == "blob_too_large"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_crash_left_half_written_is_cleared_and_never_listed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(DATA)
    (tmp_path / f"{digest.hex()}.1-2.tmp").write_bytes(DATA[:100])

    assert list(blobs.list()) == [digest]
    assert list(Blobs(tmp_path).list()) == [digest]

    assert [path.name for path in tmp_path.iterdir()] == [digest.hex()]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs(tmp_path)

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Unavailable) as caught:
        blobs.put(DATA)
    monkeypatch.undo()

    assert caught.value.code == "blobs_readonly"
    assert list(tmp_path.iterdir()) == []


def test_a_blob_is_durable_before_its_name_and_its_name_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, steps, fsync = Blobs(tmp_path), list[str](), os.fsync
    name = sha256(DATA).hexdigest()

    def watch(descriptor: int) -> None:
        what = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "data"
        steps.append(f"{what}, {'named' if (tmp_path / name).exists() else 'unnamed'}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    blobs.put(DATA)
    blobs.put(DATA)

    assert steps == ["data, unnamed", "directory, named", "directory, named"]


def test_only_the_owner_may_read_the_blobs(tmp_path: Path) -> None:
    digest = Blobs(tmp_path / "blobs").put(DATA)

    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "blobs" / digest.hex()).stat().st_mode) == 0o600


def test_a_place_that_cannot_be_a_directory_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable):
        Blobs(tmp_path / "file" / "blobs")
