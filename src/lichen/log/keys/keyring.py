"""The keyring: every secret of the logs, kept apart from them, so that destroying a key erases what it sealed.

A directory with three files: `master.key` wraps every secret, `keys.sqlite` holds the wrapped secrets, `erasures.jsonl`
names whose keys were destroyed; in its folder `secrets` lies what tools are handed, wrapped as well. Without the first
two no content can be read; never back them up with the logs.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag

from lichen.core.words.content import Sealed
from lichen.core.words.errors import Conflict, Corrupt
from lichen.core.words.faults import hit
from lichen.log.keys.apikeys import ApiKeys
from lichen.log.keys.datakeys import USES_MAX, DataKeys, Reservation, destroy, write
from lichen.log.keys.erasures import Erasure, ErasureList, decode_erasure, encode_erasure
from lichen.log.keys.keyfile import KeyFile, storage_errors
from lichen.log.keys.logsecrets import HMAC_KEY_BYTES, SEED_BYTES, LogSecrets
from lichen.log.keys.masterkey import NONCE_BYTES, MasterKey, Random, copy_master_key
from lichen.log.keys.secretfiles import FOLDER, copy_secrets
from lichen.log.proof.checkpoint import signed_us

__all__ = ["CACHED_MAX", "USES_BLOCK", "USES_MAX", "Keyring", "LogSecrets", "Sealed"]

CACHED_MAX = 16_384  # data keys in memory
USES_BLOCK = 4_096  # uses of a key made durable at a time: at most so many are given up by a restart

_NONCES_DRAWN = 256


class Keyring:
    """Seals and unseals contents, and keeps what signs, names and admits. For one process, never across a fork.

    What is new (data keys, their uses, a log's secrets, remembered heads) is at first only in memory and *pending*:
    write nothing that depends on it to any disk before `commit()` has returned. `seal`, `unseal` and `secrets` may run
    beside a `commit` and never wait for its fsync. `forget`, `revive`, `apply_erasures`, `backup` and changes of API
    keys are durable when they return, and wait for the disk: call them in a worker thread.
    """

    def __init__(self, directory: Path, random: Random, *, cached_max: int, uses_block: int, uses_max: int) -> None:
        self._directory, self._random = directory, random
        self._master = _open_master_key(directory, random)
        self._file = KeyFile(directory / "keys.sqlite")
        try:
            self._check_master_key()
            self._erasures = ErasureList(directory / "erasures.jsonl")
            self._catch_up_with_erasures()
        except BaseException:
            self._file.close()
            raise
        self._lock = threading.Lock()  # guards all below; never held while anything waits for an fsync
        self._nonces = _draw_nonces(random)
        self._data_keys = DataKeys(
            self._file,
            self._master,
            random,
            erasures=self._erasures,
            cached_max=cached_max,
            uses_block=uses_block,
            uses_max=uses_max,
        )
        self._secrets: dict[str, LogSecrets] = {}  # bounded by the number of logs
        self._new_secrets: dict[str, bytes] = {}  # wrapped
        self._new_heads: dict[str, bytes] = {}
        self.api_keys = ApiKeys(self._file, random)

    @classmethod
    def open(
        cls,
        directory: Path,
        random: Random,
        *,
        cached_max: int = CACHED_MAX,
        uses_block: int = USES_BLOCK,
        uses_max: int = USES_MAX,
    ) -> Keyring:
        """The keyring in `directory` (made with mode 0700 when missing), every erasure on its list applied.

        A data key is replaced when the next `uses_block` uses would pass `uses_max`. Raises Denied (`keys_exposed`),
        Corrupt (master key wrong or missing, file damaged), Invalid (`keys_format`), Unavailable (`keys_readonly`).
        """
        with storage_errors():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(directory, random, cached_max=cached_max, uses_block=uses_block, uses_max=uses_max)

    # sealing, signing, naming

    def seal(self, log_id: str, subject: str, aad: bytes, plaintext: bytes) -> Sealed:
        """`plaintext` under the current data key of `subject` in this log, bound to `aad`. Raises ContentErased."""
        with self._lock:
            key = self._data_keys.use((log_id, subject))
            nonce = next(self._nonces)
        return Sealed(key.id, nonce, key.aead.encrypt(nonce, plaintext, aad))

    def unseal(self, sealed: Sealed, aad: bytes) -> bytes:
        """What was sealed. Raises ContentErased, Corrupt when any bit of it changed, NotFound (`key_missing`)."""
        with self._lock:
            key = self._data_keys.find(sealed.key_id)
        try:
            return key.aead.decrypt(sealed.nonce, sealed.ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise Corrupt("A sealed content is not what was sealed in its place.") from error

    def secrets(self, log_id: str) -> LogSecrets:
        """The log's own secrets, made at first use and pending then."""
        with self._lock:
            if log_id not in self._secrets:
                self._secrets[log_id] = LogSecrets(self._find_secret(log_id))
            return self._secrets[log_id]

    def remember_head(self, log_id: str, text: bytes) -> None:
        """Keeps the signed head of what is durable in the log, so that a log rolled back behind it is noticed."""
        with self._lock:
            self._new_heads[log_id] = text

    def remembered_head(self, log_id: str) -> bytes | None:
        """The head of the log that was remembered last."""
        with self._lock:
            if log_id in self._new_heads:
                return self._new_heads[log_id]
            rows = self._file.read("SELECT text FROM heads WHERE log_id = ?", log_id)
        return rows[0][0] if rows else None

    @property
    def master(self) -> MasterKey:
        """What wraps secrets that are kept beside the keys."""
        return self._master

    @property
    def secrets_folder(self) -> Path:
        """Where those lie."""
        return self._directory / FOLDER

    # making durable

    def pending(self) -> bool:
        """Whether anything is not durable yet."""
        return bool(self._data_keys.is_pending() or self._new_secrets or self._new_heads)

    def commit(self) -> None:
        """Makes durable all that was pending when this was called. After an error it still is."""
        if not self.pending():
            return
        with self._file.writing:
            with self._lock:
                reserved = self._data_keys.pending()
                secrets, heads = list(self._new_secrets.items()), list(self._new_heads.items())
            hit("keys.commit.before")
            self._write(reserved, secrets, heads)
            hit("keys.commit.after")
            with self._lock:
                self._data_keys.settle(reserved)
                _take(self._new_secrets, secrets)
                _take(self._new_heads, heads)

    def backup(self, target: Path, *, logs: Collection[str] | None = None) -> None:
        """A copy of master key, key file and sealed secrets in the directory `target` (0700).

        Raises Conflict when it holds some.
        With `logs`, only what belongs to the logs with these ids is in it.
        The erasure list is left out, so that putting a backup back never replaces the newer list.
        """
        if any((target / name).exists() for name in ("master.key", "keys.sqlite")):
            raise Conflict("The target holds a keyring already.", next_step="Name another directory.")
        self.commit()
        with storage_errors():
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            copy_master_key(self._directory / "master.key", target / "master.key")
            self._file.backup(target / "keys.sqlite", logs=logs)
            copy_secrets(self._directory, target, logs=logs)

    def close(self) -> None:
        """Commits what is pending and closes the files."""
        try:
            self.commit()
        finally:
            self._file.close()

    # erasing

    def forget(self, log_id: str, subject: str, at_us: int) -> list[int]:
        """Destroys every data key of `subject` in this log for good, leaves no byte of them, and makes it no new one.

        Returns the ids of all keys the subject ever had here. After an error call it again: nothing was promised yet.
        """
        with self._file.writing:
            entry = self._enter("erased", log_id, subject, at_us)
            self._carry_out([entry])
            hit("keys.erase.destroyed")
            self._file.scrub()
        return list(entry.key_ids)

    def revive(self, log_id: str, subject: str, at_us: int) -> None:
        """Lets an erased subject have new keys. What was erased stays erased."""
        with self._file.writing:
            self._carry_out([self._enter("revived", log_id, subject, at_us)])

    def apply_erasures(self, entries: Sequence[Erasure]) -> None:
        """Destroys what was destroyed before: for keys restored from an older backup, before anything else uses them.

        `entries` are those of the newest log and of every kept erasure list. Applying one twice changes nothing more.
        """
        with self._file.writing:
            with self._lock:
                self._note(entries)
            self._carry_out(entries)
            self._file.scrub()

    def keys_of(self, log_id: str, subject: str) -> frozenset[int]:
        """The ids of every data key that was ever made for `subject` in this log, destroyed ones included."""
        with self._lock:
            return frozenset(self._data_keys.ids_of((log_id, subject)))

    def apply_recorded(self, entries: Sequence[Erasure]) -> list[Erasure]:
        """Applies those of the erasures a log records that these keys do not know of, and returns them.

        An older copy of the keys, put back beside a newer log, does not undo what the log says was erased.
        """
        with self._file.writing:
            missing = [entry for entry in entries if not self._erasures.covers(entry)]
        if missing:
            self.apply_erasures(missing)
        return missing

    def newest_head_us(self) -> int | None:
        """When the newest head that lies with the keys was signed: older keys know of nothing after it."""
        heads = [text for (text,) in self._file.read("SELECT text FROM heads")]
        return max((signed_us(text) for text in heads), default=None)

    def erasures(self) -> list[Erasure]:
        """The erasure list, the oldest entry first."""
        with self._file.writing:
            return sorted(self._erasures.entries, key=lambda entry: entry.at_us)

    def _enter(self, op: Literal["erased", "revived"], log_id: str, subject: str, at_us: int) -> Erasure:
        """A new entry that counts from now on: from here no thread seals with the keys it names."""
        owner = (log_id, subject)
        with self._lock:
            key_ids = self._data_keys.ids_of(owner) if op == "erased" else []
            entry = Erasure(op, log_id, subject, tuple(key_ids), self._erasures.next_us(owner, at_us))
            self._note([entry])
        return entry

    def _note(self, entries: Sequence[Erasure]) -> None:
        self._erasures.note(entries)
        self._data_keys.drop(entries)

    def _carry_out(self, entries: Sequence[Erasure]) -> None:
        """Puts `entries` on the list, and only then destroys the keys: a restored key file meets the list at `open`."""
        with storage_errors():
            self._erasures.append(entries)
        hit("keys.erase.listed")
        with self._file.transaction() as db:
            destroy(db, entries)
            lines = [(encode_erasure(entry),) for entry in entries]
            db.executemany("INSERT OR IGNORE INTO erasures (entry) VALUES (?)", lines)

    def _catch_up_with_erasures(self) -> None:
        """Makes the list's two copies equal, whichever a restore left behind, and ends what a crash cut off."""
        stored = {decode_erasure(line): None for (line,) in self._file.read("SELECT entry FROM erasures ORDER BY n")}
        self._erasures.note(stored)
        if stored.keys() != self._erasures.entries.keys():
            self._carry_out([*stored, *self._erasures.entries])
        if self._file.scrub_due():
            self._file.scrub()

    # files

    def _write(
        self, reserved: list[Reservation], secrets: list[tuple[str, bytes]], heads: list[tuple[str, bytes]]
    ) -> None:
        with self._file.transaction() as db:
            write(db, reserved)
            db.executemany("INSERT INTO log_secrets (log_id, wrapped) VALUES (?, ?)", secrets)
            db.executemany("INSERT OR REPLACE INTO heads (log_id, text) VALUES (?, ?)", heads)

    def _find_secret(self, log_id: str) -> bytes:
        rows = self._file.read("SELECT wrapped FROM log_secrets WHERE log_id = ?", log_id)
        if rows:
            return self._master.unwrap(rows[0][0], "log_secrets", log_id)
        secret = self._random(SEED_BYTES + HMAC_KEY_BYTES)
        self._new_secrets[log_id] = self._master.wrap(secret, "log_secrets", log_id)
        return secret

    def _check_master_key(self) -> None:
        """Raises Corrupt unless this master key is the one that wraps what the file holds."""
        rows = self._file.read("SELECT value FROM meta WHERE name = 'master_check'")
        if rows:
            self._master.unwrap(rows[0][0], "meta", "master_check")
            return
        with self._file.transaction() as db:
            check = self._master.wrap(b"lichen", "meta", "master_check")
            db.execute("INSERT INTO meta (name, value) VALUES ('master_check', ?)", (check,))


def _open_master_key(directory: Path, random: Random) -> MasterKey:
    """The directory's master key; a new one only where there are no keys that another had wrapped."""
    path = directory / "master.key"
    if path.exists() or (directory / "keys.sqlite").exists():
        return MasterKey.load(path, random)
    return MasterKey.create(path, random)


def _draw_nonces(random: Random) -> Iterator[bytes]:
    """96-bit nonces without end, drawn many at a time: one by one the system call costs more than the encryption."""
    while True:
        drawn = random(NONCE_BYTES * _NONCES_DRAWN)
        for start in range(0, len(drawn), NONCE_BYTES):
            yield drawn[start : start + NONCE_BYTES]


def _take(waiting: dict[str, bytes], written: list[tuple[str, bytes]]) -> None:
    """Removes what was written, unless something newer took its place meanwhile."""
    for name, value in written:
        if waiting.get(name) is value:
            del waiting[name]
