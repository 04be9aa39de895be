"""Values that lie outside the log, sealed as those in it are: erasing a person erases them, wherever copies are."""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec

from lichen.core.words.content import Sealed
from lichen.core.words.errors import ContentErased, LichenError
from lichen.core.words.scope import Scope


class Keys(Protocol):
    """What seals: the keyring."""

    def seal(self, log_id: str, subject: str, aad: bytes, plaintext: bytes) -> Sealed:
        """Under the key of a subject in a log. Raises ContentErased."""
        ...

    def unseal(self, sealed: Sealed, aad: bytes) -> bytes:
        """What was sealed. Raises ContentErased, Corrupt, NotFound."""
        ...

    def commit(self) -> None:
        """Makes durable what was pending."""
        ...


class Sealing:
    """Seals and opens values, each bound to its place."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def seal(self, scope: Scope, subject: str, place: str, data: bytes) -> bytes:
        """A value for a place. Its key is durable when this returns. Raises ContentErased for an erased subject."""
        return await asyncio.to_thread(self._seal, scope, subject, place, data)

    def open(self, place: str, sealed: bytes) -> bytes | None:
        """The value of a place; None where it was erased, or is not what we put there."""
        try:
            return self._keys.unseal(msgspec.msgpack.decode(sealed, type=Sealed), place.encode())
        except (ContentErased, LichenError, msgspec.DecodeError):
            return None

    def _seal(self, scope: Scope, subject: str, place: str, data: bytes) -> bytes:
        sealed = self._keys.seal(scope.log_id(), subject, place.encode(), data)
        self._keys.commit()
        return msgspec.msgpack.encode(sealed)
