"""What a policy says in annotations: its id, its reasons, and the conditions it ties an allowed call to.

@id("refunds.small")                          names the policy in every decision
@public("Refunds need a manager.")            may be told to the customer, in the tenant's own language
@public_de("…")                               the same in another one of its languages
@reason("limit agreed with finance")          for operators
@approval("manager") @expires("24h")          a person of that role agrees first (permits only)
@limit("refunds <= 3; refunded <= 5000")      meters may not pass these sums (permits only)
@confirm("Really pay it?") @expires("10m")    who asks says first that they really want it (permits only)
@redact("email,phone")                        result fields the planner does not see (permits only)
@declassify("third_party:web.fetch")          sources that the result may go without (permits only)
@description("…")                             for readers of the file
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from cedarpy import pst

from lichen.core.ports.policy import Approval, AtMost, Confirmation
from lichen.core.words.errors import Invalid
from lichen.gate.cedar.statements import Statement
from lichen.gate.cedar.values import LONG_MAX

EXPIRES_S: Final = 24 * 3600.0  # how long an approval may take if the policy does not say
QUESTION_CHARS_MAX: Final = 500
EXPIRES_MAX_S: Final = 365 * 24 * 3600.0

_ALWAYS: Final = ("id", "public", "reason", "description")
_ON_PERMITS: Final = ("approval", "confirm", "declassify", "expires", "limit", "redact")
_PUBLIC_IN = re.compile(r"public_([a-z]{2,3})")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,8})([smhd])")
_LIMIT = re.compile(r"(\w+)\s*<=\s*(\d{1,19})")
_NAME = re.compile(r"\w[\w .-]{0,63}")
_SOURCE = re.compile(r"third_party:[\w.:/-]{1,128}")
_ID = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}")


class Terms(msgspec.Struct, frozen=True):
    """What the annotations of one policy say."""

    id: str
    public: str = ""
    reason: str = ""
    approval: Approval | None = None
    limits: tuple[AtMost, ...] = ()
    redact: tuple[str, ...] = ()
    confirmation: Confirmation | None = None
    declassify: tuple[str, ...] = ()
    public_in: Mapping[str, str] = {}

    def told(self, language: str) -> str:
        """What may be told to a customer who is spoken to in this language."""
        return self.public_in.get(language, self.public)

    @property
    def has_conditions(self) -> bool:
        """Whether a call that this permits must satisfy anything else."""
        return bool(self.approval or self.confirmation or self.limits or self.redact or self.declassify)


def terms_of(policy: pst.Template, statement: Statement, *, meters: Iterable[str]) -> Terms:
    """The terms of a policy. Raises Invalid (`policy_annotation`) where an annotation says nothing that can be kept."""
    reader = _Reader(statement, policy.annotations)
    reader.check_names(policy.effect)
    return Terms(
        id=reader.id(),
        public=policy.annotations.get("public", ""),
        reason=policy.annotations.get("reason", ""),
        approval=reader.approval(),
        limits=reader.limits(frozenset(meters)),
        redact=reader.redact(),
        confirmation=reader.confirmation(),
        declassify=reader.declassify(),
        public_in=reader.public_in(),
    )


def annotated_at(statement: Statement, name: str) -> str:
    """The place of annotation `name`, of the policy if it has none."""
    return statement.place(statement.find("@", name))


class _Reader:
    """Reads the annotations of one policy."""

    def __init__(self, statement: Statement, annotations: Mapping[str, str]) -> None:
        self.statement = statement
        self.annotations = annotations

    def refuse(self, name: str, problem: str, next_step: str) -> Invalid:
        return Invalid(
            f"Annotation @{name} {problem}.",
            code="policy_annotation",
            next_step=next_step,
            place=annotated_at(self.statement, name),
        )

    def check_names(self, effect: pst.Effect) -> None:
        for name in self.annotations:
            if name in _ON_PERMITS and effect == "forbid":
                raise self.refuse(name, "has no meaning on a forbid", "Move it to the permits it is meant for.")
            if name not in (*_ALWAYS, *_ON_PERMITS) and not _PUBLIC_IN.fullmatch(name):
                known = ", ".join(f"@{known}" for known in (*_ALWAYS, "public_de", *_ON_PERMITS))
                raise self.refuse(name, "is not known", f"Use one of {known}.")
        if "expires" in self.annotations and not {"approval", "confirm"} & self.annotations.keys():
            raise self.refuse(
                "expires",
                "says when an answer expires, and none is asked for",
                "Add @approval or @confirm, or drop it.",
            )

    def id(self) -> str:
        default = f"{self.statement.file.removesuffix('.cedar')}#{self.statement.number}"
        value = self.annotations.get("id", default)
        if not _ID.fullmatch(value):
            raise self.refuse("id", "is not a name", "Use 1-128 printable characters without spaces.")
        return value

    def public_in(self) -> dict[str, str]:
        found = ((_PUBLIC_IN.fullmatch(name), text) for name, text in self.annotations.items())
        return {match[1]: text for match, text in found if match is not None}

    def approval(self) -> Approval | None:
        role = self.annotations.get("approval")
        if role is None:
            return None
        if not _NAME.fullmatch(role):
            raise self.refuse("approval", "names no role", 'Name one role, as in @approval("operator").')
        return Approval(role, self.expires_s())

    def confirmation(self) -> Confirmation | None:
        text = self.annotations.get("confirm")
        if text is None:
            return None
        if not 0 < len(text) <= QUESTION_CHARS_MAX:
            raise self.refuse("confirm", "is no question", 'Write it as in @confirm("Do you really want this?").')
        return Confirmation(text, self.expires_s())

    def declassify(self) -> tuple[str, ...]:
        text = self.annotations.get("declassify")
        sources = () if text is None else tuple(part.strip() for part in text.split(","))
        if not all(_SOURCE.fullmatch(source) for source in sources):
            raise self.refuse("declassify", "is no list of sources", 'Write it as in "third_party:web.fetch".')
        return sources

    def expires_s(self) -> float:
        text = self.annotations.get("expires")
        if text is None:
            return EXPIRES_S
        match = _DURATION.fullmatch(text)
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 1 <= seconds <= EXPIRES_MAX_S:
            raise self.refuse(
                "expires", "is no duration from 1s to 365d", 'Write it as in "90s", "30m", "24h" or "7d".'
            )
        return float(seconds)

    def limits(self, meters: frozenset[str]) -> tuple[AtMost, ...]:
        text = self.annotations.get("limit")
        return () if text is None else tuple(self.limit(part.strip(), meters) for part in text.split(";"))

    def limit(self, text: str, meters: frozenset[str]) -> AtMost:
        match = _LIMIT.fullmatch(text)
        if match is None or int(match[2]) > LONG_MAX:
            raise self.refuse("limit", "is no list of limits", 'Write it as in "refunds <= 3; refunded <= 5000".')
        if match[1] not in meters:
            raise self.refuse(
                "limit", f"names the meter {match[1]}, which is not declared", "Declare it in meters.toml."
            )
        return AtMost(match[1], int(match[2]))

    def redact(self) -> tuple[str, ...]:
        text = self.annotations.get("redact")
        names = () if text is None else tuple(part.strip() for part in text.split(","))
        if not all(_NAME.fullmatch(name) for name in names):
            raise self.refuse("redact", "is no list of field names", 'Write it as in "email,phone".')
        return names
