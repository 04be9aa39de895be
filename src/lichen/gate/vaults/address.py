"""Where in a store a secret lies: `PATH`, and of one secret also `PATH@VERSION#FIELD`."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from lichen.core.ports.secrets import Secret, Source, checked_secret_name
from lichen.core.words.errors import Unavailable

_ADDRESS: Final = re.compile(r"([^@#]+)(?:@([^@#]+))?(?:#([^@#]+))?")
_NO_VERSION: Final = re.compile(r"[^0-9A-Za-z._-]")
VERSION_CHARS_MAX: Final = 32


class Address(NamedTuple):
    """A path in a store, the version wanted of what is there (empty for the one in force), and the field of it."""

    path: str
    version: str = ""
    field: str = ""


def address_of(source: Source, name: str, *, join: str = "/", spell: str = "") -> Address:
    """Where a secret of a source lies. What the source names is the beginning of paths, unless it is of one name.

    `join` parts it from the name, in which every sign of `spell` becomes a hyphen.
    """
    found = _ADDRESS.fullmatch(source.detail)
    if found is None:
        raise unusable("is not named as it should be")
    path, version, field = (part or "" for part in found.groups())
    if source.is_exact:
        return Address(path, version, field)
    checked_secret_name(name)
    spelled = "".join("-" if sign in spell else sign for sign in name)
    return Address(f"{path.rstrip(join)}{join}{spelled}", version, field)


def secret_of(data: bytes | str, version: str, field: str) -> Secret:
    """What a store has there, or one field of the JSON object that it has. Raises Unavailable."""
    told = version_of(version)
    if not field:
        return Secret(data, told)
    try:
        held: Any = json.loads(data)
    except (ValueError, UnicodeDecodeError, RecursionError):
        raise unusable("is no JSON, and a field of it is asked for") from None
    return field_of(held, version, field)


def field_of(held: Any, version: str, field: str) -> Secret:
    """One field of an object that a store has. Raises Unavailable where there is no text in it."""
    value = held.get(field) if isinstance(held, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(value, str) or not value:
        raise unusable("has no text in the field that is asked for")
    return Secret(value, version_of(version))


def version_of(said: str) -> str:
    """A store's word for a version, as ours may be: its last 32 letters and digits."""
    return _NO_VERSION.sub("", said.replace("-", ""))[-VERSION_CHARS_MAX:]


def unusable(why: str) -> Unavailable:
    """The error for a secret that is there and cannot be used."""
    step = "Correct it where it is kept, or the source in lichen.toml; it is read again at the next use."
    return Unavailable(f"This secret {why}.", code="secret_store_unavailable", next_step=step)
