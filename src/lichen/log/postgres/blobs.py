"""Sealed contents too large for a record, in a table beside the records: whoever shares the records has them too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import psycopg

from lichen.core.words.content import CONTENT_BYTES_MAX
from lichen.core.words.errors import Corrupt, Invalid, NotFound, Unavailable
from lichen.log.postgres.schema import Connection

BYTES_MAX: Final = CONTENT_BYTES_MAX + 64
_PUT: Final = b"""
INSERT INTO blobs VALUES (%b, %b)
ON CONFLICT (digest) DO UPDATE SET data = excluded.data WHERE blobs.data <> excluded.data
"""


class PostgresBlobs:
    """The blobs of a volume. Safe for several threads: each has a connection for as long as it asks."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect

    def put(self, data: bytes, /) -> bytes:
        """The digest of `data`, which is durable when this returns. One that rotted is put right."""
        if len(data) > BYTES_MAX:
            message, step = f"The content has {len(data)} bytes and may have {BYTES_MAX}.", "Send less, or in parts."
            raise Invalid(message, code="blob_too_large", next_step=step)
        digest = sha256(data).digest()
        self._execute(_PUT, [digest, data])
        return digest

    def get(self, digest: bytes, size: int, /) -> bytes:
        """The blob of `size` bytes with this digest."""
        found = self._execute(b"SELECT data FROM blobs WHERE digest = %b", [digest])
        if not found:
            message, step = f"The blob {digest.hex()} is not in the store.", "Restore it from a backup of the database."
            raise NotFound(message, code="blob_missing", next_step=step)
        data: bytes = found[0][0]
        if len(data) != size or sha256(data).digest() != digest:
            raise Corrupt(f"The blob {digest.hex()} does not hold what was stored.")
        return data

    def each(self) -> Iterator[bytes]:
        """The blobs, one after another."""
        digests = [digest for (digest,) in self._execute(b"SELECT digest FROM blobs", [])]
        for digest in digests:
            yield from (data for (data,) in self._execute(b"SELECT data FROM blobs WHERE digest = %b", [digest]))

    def _execute(self, statement: bytes, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            with self._connect() as connection:
                cursor = connection.execute(statement, values, binary=True)
                return cursor.fetchall() if cursor.description is not None else []
        except psycopg.Error as error:
            raise Unavailable(
                "The blob store cannot be written or read now.",
                code="blobs_readonly",
                next_step="See that the database is there and has room, then try again.",
            ) from error
