"""As whom we come to a registry: what the settings refer to, or what Docker and other clients of registries keep.

A secret is read when it is wanted, and is in no error. Helpers of Docker's are programs, and are not run.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.core.ports.secrets import SECRET_BYTES_MAX
from lichen.core.words.errors import Unavailable
from lichen.packs.fetching.terms import Terms
from lichen.settings.packs.registries import RegistryHost

FILE_BYTES_MAX: Final = 1024 * 1024
_HUB: Final = "https://index.docker.io/v1/"


class Credentials(msgspec.Struct, frozen=True):
    """A name and its password, or one of the two kinds of tokens, or nothing."""

    username: str = ""
    password: str = ""
    token: str = ""  # shown to the registry itself
    renewal: str = ""  # shown to who gives tokens, by OAuth 2

    def __bool__(self) -> bool:
        return bool(self.username or self.token or self.renewal)

    def __repr__(self) -> str:
        return "Credentials(…)"

    @property
    def basic(self) -> str:
        """The header for the name and its password."""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


def credentials_of(terms: Terms, said: RegistryHost) -> Credentials:
    """As whom we come to a registry. Raises Unavailable (`oci_credentials_missing`)."""
    if said.username:
        return Credentials(said.username, _referred(said.password, terms.environ))
    if said.token:
        return Credentials(token=_referred(said.token, terms.environ))
    return _of_docker(terms.environ, said.host)


def _referred(reference: str, environ: Mapping[str, str]) -> str:
    kind, _, detail = reference.partition(":")
    value = environ.get(detail, "") if kind == "env" else _line(Path(detail))
    if value and value.isprintable():
        return value
    message = "What a registry is signed in to with is missing."
    step = f"Set {reference}: [[packs.registries]] in lichen.toml names it."
    raise Unavailable(message, code="oci_credentials_missing", next_step=step)


def _line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _of_docker(environ: Mapping[str, str], host: str) -> Credentials:
    """What `docker login`, or another client that keeps the same file, has for a registry."""
    home = environ.get("DOCKER_CONFIG") or (environ.get("HOME") and f"{environ['HOME']}/.docker")
    if not home:
        return Credentials()
    try:
        with (Path(home) / "config.json").open("rb") as file:
            said = msgspec.json.decode(file.read(FILE_BYTES_MAX), type=dict[str, Any])
        auths = msgspec.convert(said.get("auths") or {}, dict[str, dict[str, Any]])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Credentials()
    names = (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
    names = (*names, _HUB) if host in ("docker.io", "index.docker.io") else names
    return next((_entry(auths[name]) for name in names if name in auths), Credentials())


def _entry(said: dict[str, Any]) -> Credentials:
    for field, name in (("identitytoken", "renewal"), ("registrytoken", "token")):
        text: Any = said.get(field)
        if isinstance(text, str) and text and text.isprintable():
            return Credentials(**{name: text})
    try:
        text = base64.b64decode(str(said.get("auth", "")), validate=True).decode()
    except (binascii.Error, ValueError):
        return Credentials()
    name, colon, password = text.rstrip("\0").partition(":")
    return Credentials(name, password) if colon and name and text.rstrip("\0").isprintable() else Credentials()
