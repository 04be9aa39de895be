"""State: JSON values under keys of a scope, each with a version and perhaps a time at which it ends."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, Protocol

from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict, Denied, Invalid
from lichen.core.words.scope import Scope

VALUE_BYTES_MAX: Final = 64 * 1024
KEY_CHARS_MAX: Final = 256
TTL_S_MAX: Final = 10 * 366 * 86_400
FQN: Final = "greentic:state"
NO_TEAM: Final = "_"

_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,128}")
_USER = re.compile(r"[A-Za-z0-9_-]{0,64}")


class StateKey(NamedTuple):
    """Where a value is kept: a key in a group of keys (`prefix`) of a scope, or of one person there (a pseudonym).

    `subject` is whose key seals it. It is no part of the name.
    """

    scope: Scope
    prefix: str
    key: str
    user: str = ""
    subject: str = RETENTION


class Stored(NamedTuple):
    """A value as it is, and its version: the store's word for it, another one after every change."""

    value: Any
    version: str


class Change(NamedTuple):
    """How a value is set: where in it, for how long, on what condition, by whom.

    `ttl_s`: None leaves the time at which it ends as it is, 0 takes that away, more sets it to so many seconds from
    now. `expected` is the version that must be there, "" for none; None for whatever there is. What was done under a
    `once` is not done again.
    """

    pointer: str = ""
    ttl_s: int | None = None
    expected: str | None = None
    once: str = ""
    by: str = "system"
    turn: str | None = None


PLAIN: Final = Change()  # the whole value, whatever is there


class States(Protocol):
    """Keeps state. Every operation names the scope that asks, and refuses a key of any other (`state_foreign`).

    Raises Unavailable (`state_unavailable`) where nobody can tell now.
    """

    async def get(self, scope: Scope, key: StateKey) -> Stored | None:
        """The value, or None where there is none, it has ended, or was erased."""
        ...

    async def names(self, scope: Scope, key: StateKey) -> tuple[str, ...]:
        """The keys of the group that begin so and have a value, in no order."""
        ...

    async def set(self, scope: Scope, key: StateKey, value: Any, change: Change = PLAIN) -> None:
        """Keeps a value, or puts it into the one that is there, in one step. Durable, as the store is, when it returns.

        Raises Conflict (`state_changed`), Invalid (`state_pointer`, `state_too_large`).
        """
        ...

    async def delete(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> None:
        """Forgets a value; that there was none is no error. Raises Conflict (`state_changed`)."""
        ...

    async def delete_prefix(self, scope: Scope, key: StateKey, change: Change = PLAIN) -> int:
        """Forgets every value of the group whose key begins so; says how many there were."""
        ...


def fqn(key: StateKey) -> str:
    """The whole name of a key, `greentic:state:{env}.{tenant}[.{team}[.{user}]]:{prefix}:{key}` (greentic-state)."""
    where = [key.scope.env, key.scope.tenant]
    if key.scope.team is not None or key.user:
        where.append(key.scope.team or NO_TEAM)
    if key.user:
        where.append(key.user)
    return f"{FQN}:{'.'.join(where)}:{key.prefix}:{key.key}"


def check_key(scope: Scope, key: StateKey, *, is_prefix: bool = False) -> None:
    """Raises Denied (`state_foreign`) for a key of another scope, Invalid (`state_key`) for one that is none."""
    if (key.scope.tenant, key.scope.env, key.scope.team) != (scope.tenant, scope.env, scope.team):
        step = "Ask for it in its own tenant, environment and team."
        raise Denied("This state is of another tenant, environment or team.", code="state_foreign", next_step=step)
    is_well = len(key.key) <= KEY_CHARS_MAX and key.key.isprintable() and (is_prefix or key.key != "")
    if not is_well or not _PREFIX.fullmatch(key.prefix) or not _USER.fullmatch(key.user):
        step = f"Use 1 to {KEY_CHARS_MAX} printable characters, and letters, digits, `.`, `_`, `-` for its group."
        raise Invalid("This is no key of state.", code="state_key", next_step=step)


def check_change(change: Change) -> None:
    """Raises Invalid (`state_ttl`) for a time that is none."""
    if change.ttl_s is not None and not 0 <= change.ttl_s <= TTL_S_MAX:
        raise Invalid(f"A value is kept for 0 to {TTL_S_MAX} seconds.", code="state_ttl")


def check_version(there: str, change: Change) -> None:
    """Raises Conflict (`state_changed`) where another version is there than the one that is expected."""
    if change.expected is not None and change.expected != there:
        step = "Read it again, and decide on what is there now."
        raise Conflict("The value was changed meanwhile.", code="state_changed", next_step=step)
