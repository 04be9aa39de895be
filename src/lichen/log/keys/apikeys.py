"""API keys: the secrets by which programs and people outside say who they are."""

from __future__ import annotations

import re
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest

import msgspec

from lichen.core.words.errors import Corrupt, NotFound
from lichen.core.words.scope import ActorKind
from lichen.log.keys.keyfile import KeyFile
from lichen.log.keys.masterkey import Random

_TEXT = re.compile(r"lk_(?P<id>[0-9a-f]{8})_(?P<secret>[A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32
_ID_BYTES = 4
KNOWN_MAX = 10_000  # remembered, so that asking who somebody is does not ask the disk


class ApiKey(msgspec.Struct, frozen=True):
    """Who the holder of a key is: one actor of one tenant's environment. `expires_at_us` is None for never."""

    id: str
    tenant: str
    env: str
    actor_kind: ActorKind
    actor_id: str
    roles: tuple[str, ...]
    expires_at_us: int | None


_JSON = msgspec.json.Decoder(ApiKey)


class ApiKeys:
    """The API keys of a keyring, `keyring.api_keys`. Changes are durable when they return, and wait for the disk."""

    def __init__(self, file: KeyFile, random: Random) -> None:
        self._file, self._random = file, random
        self._lock = threading.Lock()
        self._known: dict[str, ApiKey] = {}
        self._revoked = 0

    def issue(
        self,
        tenant: str,
        env: str,
        *,
        actor_kind: ActorKind,
        actor_id: str,
        roles: Iterable[str] = (),
        expires_at_us: int | None = None,
    ) -> str:
        """The text of a new key, `lk_<8 hex>_<43 characters>`. It is shown here once and stored nowhere."""
        secret = self._random(_SECRET_BYTES)
        with self._file.writing:
            key = ApiKey(self._unused_id(), tenant, env, actor_kind, actor_id, tuple(roles), expires_at_us)
            with self._file.transaction() as db:
                row = (key.id, _hash(secret), msgspec.json.encode(key))
                db.execute("INSERT INTO api_keys (id, secret_hash, entry) VALUES (?, ?, ?)", row)
        return f"lk_{key.id}_{_encode(secret)}"

    def check(self, text: str, now_us: int) -> ApiKey | None:
        """Whose key `text` is; None for a text that is no key, a revoked key or one past its time.

        Takes the same time however much of a wrong secret is right.
        """
        found = _TEXT.fullmatch(text)
        if not found:
            return None
        secret = urlsafe_b64decode(found["secret"] + "=")
        rows = self._file.read("SELECT secret_hash, entry FROM api_keys WHERE id = ?", found["id"])
        is_right = compare_digest(_hash(secret), rows[0][0] if rows else b"")
        if not is_right or _encode(secret) != found["secret"]:  # one spelling only: the last character has spare bits
            return None
        return _unless_expired(_decoded(rows[0][1]), now_us)

    def find(self, id: str, now_us: int) -> ApiKey | None:
        """The key with this id, unless it was revoked or is past its time."""
        key = self._known.get(id) or self._read(id)
        return _unless_expired(key, now_us) if key is not None else None

    def _read(self, id: str) -> ApiKey | None:
        """The key as the file has it; remembered, unless one was revoked while it was read."""
        revoked = self._revoked
        rows = self._file.read("SELECT entry FROM api_keys WHERE id = ?", id)
        key = _decoded(rows[0][0]) if rows else None
        with self._lock:
            if key is not None and revoked == self._revoked:
                if len(self._known) >= KNOWN_MAX:
                    self._known.clear()
                self._known[id] = key
        return key

    def revoke(self, id: str) -> None:
        """Makes the key with this id worthless at once. Raises NotFound (`api_key_missing`)."""
        try:
            with self._file.transaction() as db:
                is_gone = db.execute("DELETE FROM api_keys WHERE id = ?", (id,)).rowcount == 1
        finally:
            with self._lock:
                self._revoked += 1
                self._known.pop(id, None)
        if not is_gone:
            raise NotFound("No API key has this id.", code="api_key_missing")

    def list(self) -> list[ApiKey]:
        """Every key that was not revoked, expired ones included, by id."""
        return [_decoded(entry) for (entry,) in self._file.read("SELECT entry FROM api_keys ORDER BY id")]

    def _unused_id(self) -> str:
        while True:
            id = self._random(_ID_BYTES).hex()
            if not self._file.read("SELECT 1 FROM api_keys WHERE id = ?", id):
                return id


def _unless_expired(key: ApiKey, now_us: int) -> ApiKey | None:
    return None if key.expires_at_us is not None and now_us >= key.expires_at_us else key


def _decoded(entry: bytes) -> ApiKey:
    try:
        return _JSON.decode(entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Corrupt("An API key's entry is damaged.", next_step="Restore the keys from their backup.") from error


def _hash(secret: bytes) -> bytes:
    """A plain hash, and not a slow one: 32 random bytes cannot be guessed from it, as a password could."""
    return sha256(secret).digest()


def _encode(secret: bytes) -> str:
    return urlsafe_b64encode(secret).decode().rstrip("=")
