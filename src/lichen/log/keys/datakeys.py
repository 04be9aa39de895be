"""The keys that seal contents: one current key per subject and log, a bounded number of them in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lichen.core.words.errors import ContentErased, NotFound
from lichen.log.keys.erasures import Erasure, ErasureList, Owner
from lichen.log.keys.keyfile import KeyFile, in_use
from lichen.log.keys.masterkey import KEY_BYTES, MasterKey, Random

USES_MAX = 2**32  # NIST SP 800-38D, 8.3: random 96-bit nonces under one key

_FIND = "SELECT log_id, subject, reserved, wrapped FROM data_keys WHERE id = ?"
_FIND_CURRENT = """
    SELECT id, reserved, wrapped FROM data_keys
    WHERE log_id = ? AND subject = ? AND wrapped IS NOT NULL ORDER BY id DESC LIMIT 1
"""
_FIND_IDS = "SELECT id FROM data_keys WHERE log_id = ? AND subject = ?"
_INSERT = "INSERT INTO data_keys (id, log_id, subject, reserved, wrapped) VALUES (?, ?, ?, ?, ?)"
_RESERVE = "UPDATE data_keys SET reserved = ? WHERE id = ? AND reserved = ?"
_DESTROY = "UPDATE data_keys SET wrapped = NULL WHERE id = ? AND log_id = ? AND subject = ?"
_BURY = "INSERT OR IGNORE INTO data_keys (id, log_id, subject, reserved, wrapped) VALUES (?, ?, ?, 0, NULL)"


class DataKey:
    """An AES-256-GCM key in memory. Its uses up to `reserved` are accounted for, those up to `durable` on disk."""

    __slots__ = ("aead", "durable", "id", "owner", "reserved", "used", "wrapped")

    def __init__(self, id: int, owner: Owner, *, secret: bytes, wrapped: bytes, reserved: int) -> None:
        self.id, self.owner, self.wrapped = id, owner, wrapped
        self.aead = AESGCM(secret)
        self.used = self.durable = self.reserved = reserved  # nobody knows how many of a restart's block happened


class Reservation(NamedTuple):
    """One row to write: the key's uses so far as the disk knows them, and as it shall."""

    key: DataKey
    durable: int
    reserved: int


class DataKeys:
    """Finds, makes, rotates and drops data keys. Not safe for two threads at once: the keyring's lock guards it.

    A key that is pending (new, or with uses that the disk does not know of) stays in memory whatever the bound is.
    """

    def __init__(
        self,
        file: KeyFile,
        master: MasterKey,
        random: Random,
        *,
        erasures: ErasureList,
        cached_max: int,
        uses_block: int,
        uses_max: int,
    ) -> None:
        assert 0 < uses_block <= uses_max <= USES_MAX
        assert cached_max > 0
        self._file, self._master, self._random, self._erasures = file, master, random, erasures
        self._cached_max, self._uses_block, self._uses_max = cached_max, uses_block, uses_max
        self._cached: OrderedDict[int, DataKey] = OrderedDict()  # the least recently used first
        self._current: dict[Owner, DataKey] = {}  # those among _cached that seal
        self._pending: dict[int, DataKey] = {}
        ((last_id,),) = file.read("SELECT coalesce(max(id), 0) FROM data_keys")
        self._next_id: int = last_id + 1

    def use(self, owner: Owner) -> DataKey:
        """The owner's current key, one use of it counted. Raises ContentErased."""
        key = self._current.get(owner) or self._find_current(owner)
        if key.used == key.reserved:
            key = self._reserve(key)
        key.used += 1
        self._cached.move_to_end(key.id)
        return key

    def find(self, key_id: int) -> DataKey:
        """The key with this id. Raises ContentErased when it was destroyed, NotFound (`key_missing`) when unknown."""
        key = self._cached.get(key_id)
        if key:
            self._cached.move_to_end(key_id)
            return key
        rows = self._file.read(_FIND, key_id)
        if not rows:
            raise NotFound(
                "The key that sealed this content is not in the keyring.",
                code="key_missing",
                next_step="Restore the newest backup of the keys.",
            )
        log_id, subject, reserved, wrapped = rows[0]
        if wrapped is None or self._erasures.is_erased((log_id, subject)):
            raise ContentErased("The key that sealed this content was destroyed.")
        return self._open(key_id, (log_id, subject), reserved=reserved, wrapped=wrapped)

    def ids_of(self, owner: Owner) -> list[int]:
        """The ids of every key the owner ever had."""
        stored = [key_id for (key_id,) in self._file.read(_FIND_IDS, *owner)]
        return sorted({*stored, *(key.id for key in self._pending.values() if key.owner == owner)})

    def drop(self, entries: Iterable[Erasure]) -> None:
        """Takes the keys that `entries` name out of memory, and never gives their ids again."""
        for entry in entries:
            for key_id in entry.key_ids:
                self._next_id = max(self._next_id, key_id + 1)
                key = self._cached.get(key_id)
                if key and key.owner == entry.owner:
                    self._pending.pop(key_id, None)
                    self._evict(key)

    def is_pending(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._pending)

    def pending(self) -> list[Reservation]:
        """What to write."""
        return [Reservation(key, key.durable, key.reserved) for key in self._pending.values()]

    def settle(self, written: list[Reservation]) -> None:
        """Remembers that `written` is durable."""
        for key, _, reserved in written:
            key.durable = reserved
            if key.reserved == reserved:
                self._pending.pop(key.id, None)
        self._trim()

    def _find_current(self, owner: Owner) -> DataKey:
        if self._erasures.is_erased(owner):
            raise ContentErased("This subject was erased, so nothing more is sealed for it.")
        rows = self._file.read(_FIND_CURRENT, *owner)
        if not rows:
            return self._make(owner)
        key_id, reserved, wrapped = rows[0]
        key = self._cached.get(key_id) or self._open(key_id, owner, reserved=reserved, wrapped=wrapped)
        self._current[owner] = key
        return key

    def _reserve(self, key: DataKey) -> DataKey:
        """The key with a block of uses more, or its successor when its uses are spent."""
        if key.reserved + self._uses_block > self._uses_max:
            key = self._make(key.owner)
        key.reserved += self._uses_block
        self._pending[key.id] = key
        return key

    def _make(self, owner: Owner) -> DataKey:
        """A new key, without uses yet."""
        key_id, secret = self._next_id, self._random(KEY_BYTES)
        self._next_id += 1
        wrapped = self._master.wrap(secret, "data_keys", key_id, *owner)
        key = self._keep(DataKey(key_id, owner, secret=secret, wrapped=wrapped, reserved=0))
        self._current[owner] = key
        return key

    def _open(self, key_id: int, owner: Owner, *, reserved: int, wrapped: bytes) -> DataKey:
        secret = self._master.unwrap(wrapped, "data_keys", key_id, *owner)
        return self._keep(DataKey(key_id, owner, secret=secret, wrapped=wrapped, reserved=reserved))

    def _keep(self, key: DataKey) -> DataKey:
        self._trim(room=1)
        self._cached[key.id] = key
        return key

    def _trim(self, room: int = 0) -> None:
        """Drops the least recently used keys down to the bound, stopping at one that is pending."""
        while len(self._cached) > self._cached_max - room:
            oldest = next(iter(self._cached.values()))
            if oldest.id in self._pending:
                return
            self._evict(oldest)

    def _evict(self, key: DataKey) -> None:
        del self._cached[key.id]
        if self._current.get(key.owner) is key:
            del self._current[key.owner]


def write(db: Connection, reservations: list[Reservation]) -> None:
    """Stores keys that are new and uses that were reserved. Raises Conflict when another process did so meanwhile."""
    new = [each for each in reservations if each.durable == 0]
    grown = [(reserved, key.id, durable) for key, durable, reserved in reservations if durable]
    db.executemany(_INSERT, [(key.id, *key.owner, reserved, key.wrapped) for key, _, reserved in new])
    if grown and db.executemany(_RESERVE, grown).rowcount != len(grown):
        raise in_use()


def destroy(db: Connection, entries: Iterable[Erasure]) -> None:
    """Empties the rows of the keys that `entries` name, and leaves one for each id, so none is given again."""
    rows = [(key_id, *entry.owner) for entry in entries for key_id in entry.key_ids]
    db.executemany(_DESTROY, rows)
    db.executemany(_BURY, rows)
    if rows:
        db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('scrub_due', x'')")
