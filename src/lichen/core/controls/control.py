"""What every control is: small, clear, and free of anything a stranger wrote.

Fields may only be appended, never reordered or removed: stored bytes outlive these files (golden logs hold it).
Texts, arguments, results and planner state are contents, sealed beside the control and named by part.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

Stands = Literal["joins", "begins", "alone"]
"""How a fact may share a stored record with those appended beside it in its stream.

It `joins` the one before it; `begins` a record, so that it is found by its key on disk; or stands `alone`: nothing that
comes after it shares its record either.
"""


class Control(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all controls. `type` is the record type, its class's name in snake case; `key` makes the append
    idempotent within its stream."""

    type: ClassVar[str]
    type_v: ClassVar[int] = 1
    stands: ClassVar[Stands] = "joins"

    def __init_subclass__(cls) -> None:
        cls.type = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def key(self) -> str:
        """Unique within the stream: the type and what tells this one from others of the type."""
        return self.type


class Ruling(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the gate said of the act that its record states: the action, the policies that decided, their digest.

    The label it was decided on is the record's own. None in a record where nobody was asked.
    """

    action: str
    policies: tuple[str, ...] = ()
    policy_digest: str = ""


class Unknown(Control, frozen=True, array_like=True, gc=False):
    """A fact of a type, or a version of one, that this program does not know: its key, and its control as stored.

    It verifies and can be taken away; no stream folds over it.
    """

    stands: ClassVar[Stands] = "alone"

    known_as: str
    data: bytes

    @property
    def key(self) -> str:
        return self.known_as
