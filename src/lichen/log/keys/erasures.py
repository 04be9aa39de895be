"""The erasure list: whose keys were destroyed, in a text file that outlives any restored key backup.

One line of JSON per entry, only ever added to, durable before the keys go. An entry names the keys it destroyed, so
applying it again, late or in another order changes nothing more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from lichen.core.words.errors import Corrupt
from lichen.log.disk.files import write_new_file

Owner = tuple[str, str]
"""Whose keys: (log id, subject)."""


class Erasure(msgspec.Struct, frozen=True):
    """One line of the list: the keys of `subject` in `log_id` were destroyed, or it may have keys again (`revived`)."""

    op: Literal["erased", "revived"]
    log_id: str
    subject: str
    key_ids: tuple[int, ...]
    at_us: int

    @property
    def owner(self) -> Owner:
        """Whose keys this is about."""
        return self.log_id, self.subject


_JSON = msgspec.json.Decoder(Erasure)
_RESTORE = "Restore erasures.jsonl from its newest copy."


class ErasureList:
    """The file `erasures.jsonl`, and per owner the entry that counts: the latest, an erasure before a revival.

    Only one thread at a time may write; `note` and the questions are for the holder of the keyring's lock.
    """

    def __init__(self, path: Path) -> None:
        """Opens `path`, making it (mode 0600) when it is not there. Raises Corrupt, OSError."""
        self._path = path
        if not path.exists():
            write_new_file(path, b"")
        data = path.read_bytes()
        self._bytes = data.rfind(b"\n") + 1  # a last line without an end was never confirmed to anybody
        self.entries = {decode_erasure(line): None for line in data[: self._bytes].splitlines()}
        self._latest: dict[Owner, Erasure] = {}
        self.note(self.entries)

    def note(self, entries: Iterable[Erasure]) -> None:
        """Lets `entries` count from now on, in memory only."""
        for entry in entries:
            latest = self._latest.get(entry.owner)
            if not latest or (entry.at_us, entry.op == "erased") >= (latest.at_us, latest.op == "erased"):
                self._latest[entry.owner] = entry

    def is_erased(self, owner: Owner) -> bool:
        """Whether `owner` was erased, and not revived since."""
        latest = self._latest.get(owner)
        return latest is not None and latest.op == "erased"

    def covers(self, entry: Erasure) -> bool:
        """Whether every key that `entry` names was destroyed by what is on the list, or was made after a revival."""
        listed = [each for each in self.entries if each.owner == entry.owner]
        if any(each.op == "revived" and each.at_us >= entry.at_us for each in listed):
            return True
        destroyed = {id for each in listed if each.op == "erased" for id in each.key_ids}
        return self.is_erased(entry.owner) and destroyed.issuperset(entry.key_ids)

    def next_us(self, owner: Owner, at_us: int) -> int:
        """`at_us`, or just after the last entry about `owner` when the clock went back."""
        latest = self._latest.get(owner)
        return max(at_us, latest.at_us + 1) if latest else at_us

    def append(self, entries: Iterable[Erasure]) -> None:
        """Adds the entries that the file does not have, durable before this returns. Raises OSError."""
        fresh = {entry: None for entry in entries if entry not in self.entries}
        if not fresh:
            return
        with self._path.open("r+b") as file:
            file.truncate(self._bytes)  # what a failed attempt left behind
            file.seek(self._bytes)
            file.write("".join(encode_erasure(entry) + "\n" for entry in fresh).encode())
            file.flush()
            os.fsync(file.fileno())
            self._bytes = file.tell()
        self.entries |= fresh


def encode_erasure(entry: Erasure) -> str:
    """The entry's line, without the line's end; equal entries have equal lines."""
    return msgspec.json.encode(entry).decode()


def decode_erasure(line: str | bytes) -> Erasure:
    """The entry of a line. Raises Corrupt."""
    try:
        return _JSON.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt("The erasure list has a line that is no entry.", next_step=_RESTORE) from error
