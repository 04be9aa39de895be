"""Secrets: values that are handed to a tool at the moment of use, and that nothing else ever shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn, Protocol

from lichen.core.words.errors import Invalid, NotFound
from lichen.core.words.scope import Scope

SECRET_BYTES_MAX: Final = 64 * 1024
NAME_CHARS_MAX: Final = 128
MASK: Final = "[secret]"  # what stands wherever a value would

URI: Final = "secrets://"  # before what other programs call a secret
NO_TEAM: Final = "_"
TEAMS: Final = "teams"
_URI_PARTS: Final = 5  # at least

_SEGMENT = re.compile(r"[a-z0-9._-]+")
_VERSION = re.compile(r"[0-9A-Za-z._-]{0,32}")


class Secret:
    """The value of a secret. `reveal` gives it; whatever else looks at this object sees that there is one, and no more.

    It has no attributes to list, is never pickled, and JSON and msgpack refuse it. `version` is its store's word for
    this value, empty where the store counts none. Raises Invalid (`secret_size`, `secret_version_invalid`).
    """

    __slots__ = ("_data", "version")

    def __init__(self, data: bytes | str, version: str = "") -> None:
        value = data.encode() if isinstance(data, str) else data
        if not 0 < len(value) <= SECRET_BYTES_MAX:
            step = f"Give it 1 to {SECRET_BYTES_MAX} bytes."
            raise Invalid("A secret is empty or too large.", code="secret_size", next_step=step)
        if not _VERSION.fullmatch(version):
            step = "Use at most 32 letters, digits, dots, hyphens and underscores."
            raise Invalid("This is no version of a secret.", code="secret_version_invalid", next_step=step)
        self._data = value
        self.version = version

    def reveal(self) -> str:
        """The value as text. Raises Invalid (`secret_not_text`) where it is none."""
        try:
            return self._data.decode()
        except UnicodeDecodeError:
            step = "Take it with `reveal_bytes()`."
            raise Invalid("This secret is not UTF-8 text.", code="secret_not_text", next_step=step) from None

    def reveal_bytes(self) -> bytes:
        """The value as it is."""
        return self._data

    def __repr__(self) -> str:
        return MASK

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: name it where it is needed")


class Secrets(Protocol):
    """Where secrets come from. One instance serves many calls at once.

    `get` is asked at each use, so that a value that was changed counts at the next one; what an adapter keeps in memory
    it keeps no longer than it is true.
    """

    async def get(self, scope: Scope, name: str) -> Secret:
        """The secret of this name in this scope, and of no other scope.

        Raises NotFound (`secret_unknown`) where there is none, Unavailable (`secret_store_unavailable`) where nobody
        can tell now. Neither says anything of a value.
        """
        ...


class SecretStore(Secrets, Protocol):
    """A store that Lichen itself writes to. What it promises is durable when it returns."""

    async def put(self, scope: Scope, name: str, value: Secret, *, replaces: bool) -> Secret:
        """Keeps a value: the first one of a name, or with `replaces` the next. Returns it with its version.

        Raises Conflict (`secret_exists`), NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`).
        """
        ...

    async def remove(self, scope: Scope, name: str) -> None:
        """Forgets a secret. Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`)."""
        ...


class Source(NamedTuple):
    """Where a secret comes from, as `lichen.toml` says it: `kind:detail`.

    `is_exact`: the detail is of this one name; else it is of every name of an environment, such as a folder.
    """

    kind: str
    detail: str = ""
    is_exact: bool = False

    def __str__(self) -> str:
        return f"{self.kind}:{self.detail}" if self.detail else self.kind


SEALED: Final = Source("sealed")  # the encrypted file in the data directory: where nothing else is said


def checked_secret_name(name: str) -> str:
    """The name of a secret: lower-case letters, digits, `.`, `_`, `-`, in segments parted by `/`.

    Raises Invalid (`secret_name_invalid`) for any other spelling, for a segment of dots, and for more than 128 signs,
    so that a name may be part of a path, a variable or an address.
    """
    segments = name.split("/")
    is_well = len(name) <= NAME_CHARS_MAX and all(_SEGMENT.fullmatch(each) and each.strip(".") for each in segments)
    if not is_well:
        raise Invalid(
            "This is no name of a secret.",
            code="secret_name_invalid",
            next_step="Use lower-case letters, digits, `.`, `_`, `-`, and `/` between parts, such as `payments.key`.",
        )
    return name


def name_of_uri(uri: str, scope: Scope) -> str:
    """The name that a secret has here which Greentic calls `secrets://{env}/{tenant}/{team|_}/{category}/{name}`.

    It is `category/name`, after `teams/TEAM/` where it is of a team, in lower case. Raises Invalid
    (`secret_name_invalid`) for another shape, NotFound (`secret_unknown`) for one of another tenant or environment.
    """
    rest = uri.removeprefix(URI).lower()
    parts = rest.split("/")
    if not uri.startswith(URI) or len(parts) < _URI_PARTS or (parts[2] == NO_TEAM and parts[3] == TEAMS):
        step = "Write secrets://ENV/TENANT/TEAM/CATEGORY/NAME, with _ for no team."
        raise Invalid("This is no address of a secret.", code="secret_name_invalid", next_step=step)
    env, tenant, team, *name = parts
    if (tenant, env) != (scope.tenant, scope.env):
        step = "Name it without an address, or ask for it in its own tenant and environment."
        raise NotFound("This secret is of another tenant or environment.", code="secret_unknown", next_step=step)
    return checked_secret_name("/".join(name if team == NO_TEAM else (TEAMS, team, *name)))


def fingerprint(name: str, secret: Secret, digest: Callable[[bytes], bytes]) -> str:
    """The version of a secret as records have it: its store's, and 16 digits that change with the value.

    `digest` is keyed, so nobody finds the value by guessing.
    """
    mark = digest(b"secret\x00" + name.encode() + b"\x00" + secret.reveal_bytes())[:8].hex()
    return f"{secret.version}-{mark}" if secret.version else mark
