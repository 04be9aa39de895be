"""How registries are reached and where what came from them is kept: what settings and variables say of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from lichen.core.words.errors import Invalid
from lichen.settings.file import Settings
from lichen.settings.packs.registries import RegistryHost
from lichen.settings.packs.table import PacksTable

MIB: Final = 1024 * 1024
_TRUE: Final = ("1", "true", "yes", "on")


class Terms(msgspec.Struct, frozen=True):
    """What one process goes by. `environ` is where credentials are looked for, `root` what files lie below."""

    cache: Path
    root: Path = Path()
    cache_bytes_max: int = 3 * 1024 * MIB
    is_offline: bool = False
    has_tags: bool = False
    repo: str = ""
    store: str = ""
    registries: tuple[RegistryHost, ...] = ()
    environ: Mapping[str, str] = {}

    def of(self, host: str) -> RegistryHost:
        """What is said of a registry."""
        known = next((each for each in self.registries if each.host == host), RegistryHost(host))
        if not known.insecure and _is_set(self.environ, "GREENTIC_DIST_ALLOW_INSECURE_LOCAL_HTTP") and is_here(host):
            return msgspec.structs.replace(known, insecure=True)
        return known


class Endpoint(NamedTuple):
    """Where a registry is asked: `http` or `https`, host and port."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def terms_of(settings: Settings | None, environ: Mapping[str, str]) -> Terms:
    """What a project says, with what variables say over it; variables alone where there is no project."""
    said = PacksTable() if settings is None else settings.packs
    return Terms(
        cache_root(environ, None if settings is None else settings.home),
        Path() if settings is None else settings.root,
        _bytes(environ.get("GREENTIC_CACHE_MAX_BYTES", "")) or said.cache_mib * MIB,
        said.offline or _is_set(environ, "GREENTIC_DIST_OFFLINE"),
        said.tags,
        environ.get("GREENTIC_REPO_REGISTRY_BASE") or said.repo,
        environ.get("GREENTIC_STORE_REGISTRY_BASE") or said.store,
        said.registries,
        environ,
    )


def cache_root(environ: Mapping[str, str], home: Path | None) -> Path:
    """Where what was fetched is kept: by the variable of upstream, by ours, in the cache of the account, or in the
    data directory of the project where there is no account with a home."""
    for name in ("GREENTIC_PACK_CACHE_DIR", "LICHEN_CACHE"):
        if environ.get(name):
            return Path(environ[name]).absolute()
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]).absolute() / "lichen" / "packs"
    if environ.get("HOME"):
        return Path(environ["HOME"]).absolute() / ".cache" / "lichen" / "packs"
    if environ.get("GREENTIC_HOME"):
        return Path(environ["GREENTIC_HOME"]).absolute() / "cache" / "packs"
    return (home or Path(".lichen")).absolute() / "cache" / "packs"


def endpoint_of(said: RegistryHost) -> Endpoint:
    """Where a registry is asked. Raises Invalid (`oci_insecure_refused`)."""
    host, port = split(_ALIASES.get(said.host, said.host))
    if not said.insecure:
        return Endpoint("https", host, port or 443)
    if not is_here(said.host):
        message = f"{said.host} is no registry of this machine, so it is asked over TLS alone."
        step = "Leave out `insecure`; `ca` names the certificates of a registry of your own."
        raise Invalid(message, code="oci_insecure_refused", next_step=step)
    return Endpoint("http", host, port or 80)


_ALIASES: Final = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
KNOWN_REALMS: Final = {"docker.io": ("auth.docker.io",), "index.docker.io": ("auth.docker.io",)}


def split(host: str) -> tuple[str, int | None]:
    """A host without the brackets of an address, and its port."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal() or host.endswith("]"):
        return host.strip("[]"), None
    return name.strip("[]"), int(port)


def is_here(host: str) -> bool:
    """Whether a host, with or without a port, is this machine by its very name."""
    name, _ = split(host)
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() in _TRUE


def _bytes(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 16 else 0
