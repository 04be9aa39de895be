"""Secrets in encrypted files beside the keys: one file for each environment of a tenant, the names in clear.

Each value is sealed with AES-256-GCM under the keyring's master key, bound to tenant, environment, name and version, so
that no entry can stand in for another. A file is replaced as a whole, and durable, or it is as it was.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from lichen.core.ports.secrets import Secret, checked_secret_name
from lichen.core.words.errors import Conflict, Corrupt, LichenError, NotFound, Unavailable
from lichen.core.words.faults import hit
from lichen.core.words.scope import Scope

KIND: Final = "sealed"
SUFFIX: Final = ".secrets"
FORMAT: Final = 1
NAMES_MAX: Final = 1_000  # of an environment
FILE_BYTES_MAX: Final = 128 * 1024 * 1024


class Seal(Protocol):
    """What seals a value for the row with an identity, and opens it there alone."""

    def wrap(self, secret: bytes, *row: str | int) -> bytes:
        """The value, sealed."""
        ...

    def unwrap(self, wrapped: bytes, *row: str | int) -> bytes:
        """The value. Raises Corrupt where row and bytes do not belong together."""
        ...


class _Entry(msgspec.Struct, frozen=True):
    version: int
    sealed: bytes


class _File(msgspec.Struct, frozen=True):
    format: int
    secrets: Mapping[str, _Entry] = {}


_JSON: Final = msgspec.json.Decoder(_File)


class SealedSecrets:
    """A `SecretStore` over the folder `folder`, made (mode 0700) when something is put there. For one process."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._folder, self._seal = folder, seal
        self._writing = threading.Lock()

    async def get(self, scope: Scope, name: str) -> Secret:
        """The value in force. Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`)."""
        return await asyncio.to_thread(self._get, scope, name)

    async def put(self, scope: Scope, name: str, value: Secret, *, replaces: bool) -> Secret:
        """Keeps a value, durable when this returns. Raises Conflict (`secret_exists`, `secrets_full`), NotFound
        (`secret_unknown`), Unavailable (`secret_store_unavailable`)."""
        return await asyncio.to_thread(self._put, scope, name, value, replaces)

    async def remove(self, scope: Scope, name: str) -> None:
        """Forgets a secret. Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`)."""
        await asyncio.to_thread(self._remove, scope, name)

    def names(self, scope: Scope) -> frozenset[str]:
        """The names that have a value. Raises Unavailable (`secret_store_unavailable`)."""
        return frozenset(self._read(scope))

    # -- in a thread ---------------------------------------------------------------------------------------------

    def _get(self, scope: Scope, name: str) -> Secret:
        entry = self._read(scope).get(checked_secret_name(name))
        if entry is None:
            raise _unknown(name)
        return self._opened(scope, name, entry)

    def _opened(self, scope: Scope, name: str, entry: _Entry) -> Secret:
        try:
            data = self._seal.unwrap(entry.sealed, *_row(scope, name, entry.version))
            return Secret(data, str(entry.version))
        except LichenError:
            raise _unreadable(self._path(scope), "does not open with these keys") from None

    def _put(self, scope: Scope, name: str, value: Secret, replaces: bool) -> Secret:
        with self._writing:
            entries = dict(self._read(scope))
            before = entries.get(checked_secret_name(name))
            if before is None and replaces:
                raise _unknown(name)
            if before is not None and not replaces:
                step = f"Give it its next value with `lichen secrets rotate {name}`."
                raise Conflict("This secret has a value.", code="secret_exists", next_step=step)
            if len(entries) >= NAMES_MAX and before is None:
                step = "Remove those that nothing uses: `lichen secrets list`."
                raise Conflict(f"There are {NAMES_MAX} secrets already.", code="secrets_full", next_step=step)
            version = 1 if before is None else before.version + 1
            sealed = self._seal.wrap(value.reveal_bytes(), *_row(scope, name, version))
            self._write(scope, {**entries, name: _Entry(version, sealed)})
        return Secret(value.reveal_bytes(), str(version))

    def _remove(self, scope: Scope, name: str) -> None:
        with self._writing:
            entries = dict(self._read(scope))
            if entries.pop(checked_secret_name(name), None) is None:
                raise _unknown(name)
            self._write(scope, entries)

    # -- files ---------------------------------------------------------------------------------------------------

    def _path(self, scope: Scope) -> Path:
        return self._folder / f"{scope.tenant}.{scope.env}{SUFFIX}"  # neither has a dot in it

    def _read(self, scope: Scope) -> Mapping[str, _Entry]:
        path = self._path(scope)
        try:
            with path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
            found = _JSON.decode(data) if len(data) <= FILE_BYTES_MAX else None
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unreadable(path, f"cannot be read ({error.strerror})") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _unreadable(path, "is damaged") from None
        if found is None or found.format != FORMAT:
            raise _unreadable(path, "is of another version of Lichen")
        return found.secrets

    def _write(self, scope: Scope, entries: Mapping[str, _Entry]) -> None:
        """Puts another file in its place. One that a crash left half written is in nobody's way."""
        path = self._path(scope)
        draft = path.with_suffix(f"{SUFFIX}.new")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
                file.write(msgspec.json.encode(_File(FORMAT, entries)))
                file.flush()
                os.fsync(file.fileno())
            hit("secrets.replace.before")
            draft.replace(path)
            _sync(self._folder)
            hit("secrets.replace.after")
        except OSError as error:
            step = "Free disk space, make the keys directory writable, then try again."
            raise _unreadable(path, f"cannot be written ({error.strerror})", step) from None


class Closed:
    """Opens nothing: for whoever looks at names alone."""

    def wrap(self, secret: bytes, *row: str | int) -> bytes:
        """Raises Corrupt."""
        raise Corrupt("Nothing is sealed without keys.")

    def unwrap(self, wrapped: bytes, *row: str | int) -> bytes:
        """Raises Corrupt."""
        raise Corrupt("Nothing is opened without keys.")


def _row(scope: Scope, name: str, version: int) -> tuple[str | int, ...]:
    return "secrets", scope.tenant, scope.env, name, version


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unknown(name: str) -> NotFound:
    step = f"Give it a value with `lichen secrets set {name}`."
    return NotFound("This secret has no value here.", code="secret_unknown", next_step=step)


def _unreadable(path: Path, why: str, step: str = "Restore the keys from their backup.") -> Unavailable:
    return Unavailable(f"The file of secrets {why}.", code="secret_store_unavailable", next_step=step, place=str(path))
