"""Sealed contents too large for a record, each in a file named by its SHA-256."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from lichen.core.words.content import CONTENT_BYTES_MAX
from lichen.core.words.errors import Corrupt, Invalid, NotFound, Unavailable
from lichen.log.disk.files import sync_directory, write_unnamed

_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """A directory (0700) of blobs. What is in it is ciphertext: erasing is done to keys, `delete` only frees space.

    Safe for several threads; every method waits for the disk. A digest is the 32 bytes of SHA-256 over the blob.
    Every method raises Unavailable (`blobs_readonly`) when the disk refuses.
    """

    def __init__(self, directory: Path, *, blob_bytes_max: int = CONTENT_BYTES_MAX + 64) -> None:
        """Opens `directory`, making it when missing, and clears away what a crash left half written."""
        self._directory, self._blob_bytes_max = directory, blob_bytes_max
        with _storage_errors():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in directory.glob("*.tmp"):
                leftover.unlink(missing_ok=True)

    def put(self, data: bytes) -> bytes:
        """The digest of `data`, which is durable when this returns. Raises Invalid (`blob_too_large`)."""
        if len(data) > self._blob_bytes_max:
            raise Invalid(
                f"The content has {len(data)} bytes and may have {self._blob_bytes_max}.",
                code="blob_too_large",
                next_step="Send less, or send it in parts.",
            )
        digest = sha256(data).digest()
        path = self._path(digest)
        with _storage_errors():
            if not _holds(path, data):
                _write(path, data)
            sync_directory(self._directory)  # also when it was there: whoever wrote it may have crashed before this
        return digest

    def get(self, digest: bytes, size: int) -> bytes:
        """The blob of `size` bytes with this digest. Raises NotFound (`blob_missing`), Corrupt."""
        with _storage_errors():
            try:
                with self._path(digest).open("rb") as file:
                    data = file.read(size + 1)
            except FileNotFoundError as error:
                raise NotFound(
                    f"The blob {digest.hex()} is not in the store.",
                    code="blob_missing",
                    next_step="Restore the blobs from the backup of their log.",
                ) from error
        if len(data) != size or sha256(data).digest() != digest:
            raise Corrupt(f"The blob {digest.hex()} does not hold what was stored.")
        return data

    def delete(self, digest: bytes) -> None:
        """Removes the blob, durably; nothing happens when it is not there."""
        with _storage_errors():
            self._path(digest).unlink(missing_ok=True)
            sync_directory(self._directory)

    def list(self) -> Iterator[bytes]:
        """The digests of all blobs, in no order."""
        with _storage_errors():
            names = [path.name for path in self._directory.iterdir()]
        return (bytes.fromhex(name) for name in names if _NAME.fullmatch(name))

    def each(self) -> Iterator[bytes]:
        """All blobs, in no order. Raises Corrupt."""
        for digest in self.list():
            yield self.get(digest, self._path(digest).stat().st_size)

    def _path(self, digest: bytes) -> Path:
        return self._directory / digest.hex()


def _holds(path: Path, data: bytes) -> bool:
    """Whether the file is there and sound, so that a rotten one is put right."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    """Makes the file appear whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        write_unnamed(temporary, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _storage_errors() -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "The blob store cannot be written or read now.",
            code="blobs_readonly",
            next_step="Free disk space, make the blob directory writable, then try again.",
        ) from error
