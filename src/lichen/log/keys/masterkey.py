"""The master key: 32 bytes in a file of their own that wrap every other secret of the keyring."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lichen.core.words.errors import Corrupt, Denied
from lichen.log.disk.files import write_new_file

Random = Callable[[int], bytes]
"""`random(n)` gives n unpredictable bytes; in production the operating system's."""

KEY_BYTES = 32
NONCE_BYTES = 12

_RESTORE = "Restore master.key from the backup it belongs to; without it no sealed content can be read again."


class MasterKey:
    """Wraps secrets with AES-256-GCM, each bound to the row it belongs to, so no row can stand in for another."""

    def __init__(self, key: bytes, random: Random) -> None:
        self._aead = AESGCM(key)
        self._random = random

    @classmethod
    def create(cls, path: Path, random: Random) -> MasterKey:
        """A fresh master key, durable at `path` (mode 0600) before this returns. Raises OSError."""
        key = random(KEY_BYTES)
        write_new_file(path, key)
        return cls(key, random)

    @classmethod
    def load(cls, path: Path, random: Random) -> MasterKey:
        """The master key at `path`.

        Raises Denied (`keys_exposed`) when others than its owner may read it, Corrupt when it is missing or not a key.
        """
        return cls(_read_key(path), random)

    def wrap(self, secret: bytes, *row: str | int) -> bytes:
        """`secret` encrypted for the row with this identity: 12 bytes nonce, then ciphertext and tag."""
        nonce = self._random(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, msgspec.msgpack.encode(row))

    def unwrap(self, wrapped: bytes, *row: str | int) -> bytes:
        """The secret of the row with this identity. Raises Corrupt when key, row and bytes do not belong together."""
        try:
            return self._aead.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], msgspec.msgpack.encode(row))
        except (InvalidTag, ValueError) as error:
            raise Corrupt("A stored key does not open with this master key.", next_step=_RESTORE) from error


def copy_master_key(source: Path, target: Path) -> None:
    """Writes the master key at `source` to the new file `target`, mode 0600, durable. Raises OSError as well."""
    write_new_file(target, _read_key(source))


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            exposed = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077
            key = file.read(KEY_BYTES + 1)
    except FileNotFoundError as error:
        raise Corrupt("The keyring's master key is missing.", next_step=_RESTORE) from error
    if exposed:
        raise Denied(
            "The master key can be read by others than its owner.",
            code="keys_exposed",
            next_step=f"Run `chmod 600 {path}`, and rotate the keys if somebody may have read them.",
        )
    if len(key) != KEY_BYTES:
        raise Corrupt("The file master.key does not hold a master key.", next_step=_RESTORE)
    return key
