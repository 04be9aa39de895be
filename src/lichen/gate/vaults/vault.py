"""HashiCorp Vault and OpenBao: key-value engines of both versions, and credentials that an engine makes and lends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from lichen.core.ports.secrets import Secret, Source
from lichen.core.remote.stores import VaultStore
from lichen.core.words.errors import Invalid, LichenError
from lichen.gate.vaults.address import Address, address_of, field_of, unusable
from lichen.gate.vaults.calls import ANSWER_S, CONNECT_S, is_loopback, library, refused, unknown, unreached
from lichen.gate.vaults.login import SECOND_US, Login

EXTRA: Final = "vault"
WHAT: Final = "Vault"
FIELD: Final = "value"  # of an entry, where none is said
MOUNTS_MAX = LEASES_MAX = 256


class Mount(NamedTuple):
    """An engine: where it is, and which version of key-value it is; 0 for another kind."""

    path: str
    version: int


class Lease(NamedTuple):
    """What an engine lent, and until when; from `renew_us` on there is more time to be asked for."""

    id: str
    data: Mapping[str, Any]
    renew_us: int
    until_us: int
    is_renewable: bool
    begun_us: int


class Vault:
    """One Vault, for many threads. What it lends is lent once for all the fields that are asked for."""

    def __init__(self, store: VaultStore, environ: Mapping[str, str], clock: Callable[[], int]) -> None:
        self._store, self._environ, self._clock = store, environ, clock
        self._hvac = library("hvac", EXTRA, "urllib3", "hvac")
        self._login = Login(self._hvac, store, environ, clock)
        self._mounts: dict[str, Mount] = {}
        self._leases: dict[str, Lease] = {}
        self._lending = Lock()

    def read(self, source: Source, name: str) -> Secret:
        """The secret as it is now. Raises NotFound, Unavailable."""
        try:
            return self._read(address_of(source, name))
        except LichenError:
            raise
        except Exception as error:  # noqa: BLE001 - what a library says in an error may be a value
            raise self._told(error) from None

    def forget(self, source: Source, name: str) -> None:
        """Asks for another lease at the next use."""
        self._leases.pop(address_of(source, name).path, None)

    # -- in a thread ---------------------------------------------------------------------------------------------

    def _read(self, at: Address) -> Secret:
        client = self._client()
        client.token = token = self._login.token(client)
        try:
            return self._found(client, at)
        except self._hvac.exceptions.Forbidden:  # also of a token that was revoked: one more try with another
            self._login.end(token)
            client.token = again = self._login.token(client)
            if again == token:
                raise
            return self._found(client, at)

    def _client(self) -> Any:
        store = self._store
        url = store.url or self._environ.get("VAULT_ADDR", "")
        checked_url(url)
        return self._hvac.Client(
            url=url,
            token="",
            namespace=store.namespace or self._environ.get("VAULT_NAMESPACE") or None,
            verify=store.ca or True,
            timeout=(CONNECT_S, ANSWER_S),
        )

    def _found(self, client: Any, at: Address) -> Secret:
        mount = self._mount(client, at.path)
        within, engine = at.path[len(mount.path) :], mount.path.rstrip("/")
        field = at.field or FIELD
        match mount.version:
            case 2:
                said = client.secrets.kv.v2.read_secret_version(
                    within, version=at.version or None, mount_point=engine, raise_on_deleted_version=True
                )["data"]
                return field_of(said["data"], str(said["metadata"]["version"]), field)
            case 1:
                return field_of(client.secrets.kv.v1.read_secret(within, engine)["data"], "", field)
            case _:
                with self._lending:
                    lease = self._lent(client, at.path)
                return field_of(lease.data, lease.id.rpartition("/")[2], field)

    def _mount(self, client: Any, path: str) -> Mount:
        """The engine that a path leads into: asked of Vault once, as its own command does."""
        for known in self._mounts.values():
            if path.startswith(known.path):
                return known
        said = client.adapter.get(f"/v1/sys/internal/ui/mounts/{path}")["data"]
        options: dict[str, str] = said.get("options") or {}
        version = int(options.get("version") or 1) if said["type"] in ("kv", "generic") else 0
        mount = Mount(said["path"], version)
        if not path.startswith(mount.path) or path == mount.path:
            raise unusable("is not named as it should be")
        if len(self._mounts) >= MOUNTS_MAX:
            self._mounts.clear()
        self._mounts[mount.path] = mount
        return mount

    def _lent(self, client: Any, path: str) -> Lease:
        held = self._leases.get(path)
        if held is not None and held.begun_us <= self._clock() < held.renew_us:
            return held
        lease = self._renewed(client, held) if held is not None else None
        if lease is None:
            said = client.read(path)
            if said is None:
                raise unknown(WHAT)
            lease = self._lease(said["lease_id"], said["data"], said["lease_duration"], is_renewable=said["renewable"])
        if lease.id:
            if len(self._leases) >= LEASES_MAX:
                del self._leases[next(iter(self._leases))]
            self._leases[path] = lease
        return lease

    def _renewed(self, client: Any, held: Lease) -> Lease | None:
        """The lease with more time; None where what was lent has to be asked for anew."""
        if not held.is_renewable or self._clock() >= held.until_us:
            return None
        try:
            said = client.sys.renew_lease(held.id)
        except (self._hvac.exceptions.InvalidRequest, self._hvac.exceptions.Forbidden):
            return None
        renewed = self._lease(held.id, held.data, said["lease_duration"], is_renewable=said["renewable"])
        return renewed if renewed.until_us - held.until_us >= SECOND_US else None

    def _lease(self, id: str, data: Mapping[str, Any], seconds: int, *, is_renewable: bool) -> Lease:
        now, lasts_us = self._clock(), max(0, seconds) * SECOND_US
        return Lease(id, data, now + lasts_us * 2 // 3, now + lasts_us, is_renewable, now)

    def _told(self, error: Exception) -> LichenError:
        """What an error of `hvac` or of the connection means for whoever asked."""
        said = self._hvac.exceptions
        match error:
            case said.InvalidPath():
                return unknown(WHAT)
            case said.Forbidden() | said.Unauthorized() | said.InvalidRequest() | said.ParamValidationError():
                return refused(WHAT)
            case _:
                return unreached(WHAT)


def checked_url(url: str) -> None:
    """Raises Invalid (`secret_store_insecure`, `secret_store_unset`) for an address that a token does not go to."""
    parts = urlsplit(url)
    if not parts.hostname:
        step = "Set `url` under [secrets.vault] in lichen.toml, or VAULT_ADDR."
        raise Invalid("Nothing says where Vault is.", code="secret_store_unset", next_step=step)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        step = "Give its address as https://, with `ca` for certificates of your own."
        raise Invalid("Vault is reached without TLS.", code="secret_store_insecure", next_step=step)
