"""Contents of records: sealed on their way in, opened on their way out, by whoever still has the key."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar, overload

from lichen.core.words.content import APART, CONTENT_BYTES_MAX, INLINE_BYTES_MAX, Content, Sealed
from lichen.core.words.errors import ContentErased, Invalid
from lichen.core.words.ids import LogId, StreamId
from lichen.log.keys.keyring import Keyring
from lichen.log.records.record import Blob, Record, SealedPart, aad
from lichen.log.store.port import Blobs

T = TypeVar("T")


class Contents(dict[str, bytes]):
    """The readable contents of a record by part. Asking for one whose key was destroyed raises ContentErased."""

    def __init__(self, readable: dict[str, bytes], erased: frozenset[str]) -> None:
        super().__init__(readable)
        self.erased = erased

    def __missing__(self, part: str) -> bytes:
        self._check(part)
        raise KeyError(part)

    @overload
    def get(self, key: str, default: None = None, /) -> bytes | None: ...
    @overload
    def get(self, key: str, default: bytes, /) -> bytes: ...
    @overload
    def get(self, key: str, default: T, /) -> bytes | T: ...
    def get(self, key: str, default: object = None, /) -> object:
        """The content, or `default` where the record has none of that name. Raises ContentErased."""
        self._check(key)
        return super().get(key, default)

    def _check(self, part: str) -> None:
        if part in self.erased:
            raise ContentErased("The key that sealed this content was destroyed.")


class Sealer:
    """Seals and opens the contents of one log's records."""

    def __init__(self, log: LogId, keyring: Keyring, blobs: Blobs) -> None:
        self._log, self._keyring, self._blobs = log, keyring, blobs

    def seal(
        self, contents: Sequence[Content], stream: StreamId, n: int, *, key: str, kind: str, blobs: list[bytes]
    ) -> tuple[SealedPart, ...]:
        """Each content under its subject's key. Ciphertexts too large for a record go to `blobs`.

        Raises ContentErased, Invalid (`content_too_large`).
        """
        sealed: list[SealedPart] = []
        for content in contents:
            part, data = content.part, content.data
            if len(data) > CONTENT_BYTES_MAX:
                raise _too_large(part, len(data))
            bound_to = aad(self._log, stream, n, key=key, kind=kind, part=part)
            each = self._keyring.seal(self._log, content.subject, bound_to, data)
            body: bytes | Blob = each.ciphertext
            if len(body) > INLINE_BYTES_MAX:
                blobs.append(body)
                body = Blob(sha256(body).digest(), len(body))
            sealed.append(SealedPart(part, each.key_id, each.nonce, body))
        return tuple(sealed)

    def open(self, record: Record) -> Contents:
        """All contents of the record but the files that came with it.

        Raises ContentErased when not one of several can be read, Corrupt, NotFound.
        """
        readable: dict[str, bytes] = {}
        erased: set[str] = set()
        for sealed in record.contents:
            if sealed.part.startswith(APART):
                continue
            try:
                readable[sealed.part] = self.open_part(record, sealed)
            except ContentErased:
                erased.add(sealed.part)
        if erased and not readable:
            raise ContentErased("The key that sealed this record's contents was destroyed.")
        return Contents(readable, frozenset(erased))

    def open_part(self, record: Record, sealed: SealedPart) -> bytes:
        """One content of the record. Raises ContentErased, Corrupt, NotFound."""
        body = sealed.body
        ciphertext = body if isinstance(body, bytes) else self._blobs.get(body.digest, body.size)
        bound_to = aad(self._log, record.stream, record.n, key=record.key, kind=record.type, part=sealed.part)
        return self._keyring.unseal(Sealed(sealed.key_id, sealed.nonce, ciphertext), bound_to)


def _too_large(part: str, size: int) -> Invalid:
    return Invalid(
        f"The content {part} has {size} bytes and may have {CONTENT_BYTES_MAX}.",
        code="content_too_large",
        next_step="Send less, or a reference to where it lies.",
    )
