"""How we are signed in to Vault: by a token, an AppRole or a Kubernetes account, renewed before it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, assert_never

from lichen.core.ports.secrets import SECRET_BYTES_MAX
from lichen.core.remote.stores import VaultStore
from lichen.core.words.errors import Unavailable

SECOND_US: Final = 1_000_000
FOREVER: Final = 2**62
UNKNOWN_S: Final = 60  # until a token is looked at again of which Vault says nothing


class Session(NamedTuple):
    """A token that is in force: from `renew_us` on it is renewed or taken anew, from `until_us` on it is none."""

    token: str
    renew_us: int
    until_us: int
    is_renewable: bool


class Login:
    """Keeps one session with a Vault, for many threads."""

    def __init__(self, hvac: Any, store: VaultStore, environ: Mapping[str, str], clock: Callable[[], int]) -> None:
        self._hvac, self._store, self._environ, self._clock = hvac, store, environ, clock
        self._lock = Lock()
        self._session: Session | None = None

    def token(self, client: Any) -> str:
        """The token for a request. Raises Unavailable, and what `hvac` raises."""
        with self._lock:
            session = self._session
            if session is None or self._clock() >= session.renew_us:
                session = self._renewed(client, session) or self._signed_in(client)
            self._session = session
            return session.token

    def end(self, token: str) -> None:
        """Signs in anew for the next request: Vault does not know this token any more."""
        with self._lock:
            if self._session is not None and self._session.token == token:
                self._session = None

    def _renewed(self, client: Any, session: Session | None) -> Session | None:
        """The session with more time; None where another one is needed."""
        if session is None or not session.is_renewable or self._clock() >= session.until_us:
            return None
        client.token = session.token
        try:
            auth = client.auth.token.renew_self()["auth"]
        except (self._hvac.exceptions.Forbidden, self._hvac.exceptions.InvalidRequest):
            return None
        renewed = self._lasting(session.token, auth["lease_duration"], is_renewable=auth["renewable"])
        grown = renewed.until_us - session.until_us >= SECOND_US
        return renewed if grown or session.until_us == FOREVER else None  # else it has come to its greatest age

    def _signed_in(self, client: Any) -> Session:
        store = self._store
        client.token = None
        match store.auth:
            case "token":
                return self._given(client, self._said(store.token))
            case "approle":
                at = store.mount or "approle"
                said = client.auth.approle.login(
                    self._said(store.role_id), self._said(store.secret_id), use_token=False, mount_point=at
                )
            case "kubernetes":
                at = store.mount or "kubernetes"
                said = client.auth.kubernetes.login(store.role, self._said(store.jwt), use_token=False, mount_point=at)
            case _:
                assert_never(store.auth)
        auth = said["auth"]
        return self._lasting(auth["client_token"], auth["lease_duration"], is_renewable=auth["renewable"])

    def _given(self, client: Any, token: str) -> Session:
        """The session of a token that was given to us. One that may not look at itself is looked at again soon."""
        client.token = token
        try:
            data = client.auth.token.lookup_self()["data"]
        except self._hvac.exceptions.Forbidden:
            return Session(token, self._clock() + UNKNOWN_S * SECOND_US, FOREVER, is_renewable=False)
        return self._lasting(token, data["ttl"], is_renewable=bool(data.get("renewable")))

    def _lasting(self, token: str, seconds: int, *, is_renewable: bool) -> Session:
        """A session that is renewed when two thirds of its time are over; of no time is one that never ends."""
        if seconds <= 0:
            return Session(token, FOREVER, FOREVER, is_renewable=False)
        now, lasts_us = self._clock(), seconds * SECOND_US
        return Session(token, now + lasts_us * 2 // 3, now + lasts_us, is_renewable)

    def _said(self, reference: str) -> str:
        """What a reference leads to, read anew each time. Raises Unavailable."""
        kind, _, detail = reference.partition(":")
        value = self._environ.get(detail, "") if kind == "env" else _line(Path(detail)) if kind == "mounted" else ""
        if value:
            return value
        step = f"Set {reference}: [secrets.vault] in lichen.toml names it."
        raise Unavailable("What Lichen signs in to Vault with is missing.", code="secret_login_missing", next_step=step)


def _line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""
