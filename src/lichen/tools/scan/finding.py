"""One suspicious thing: which rule found it, how bad it would be, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

Severity = Literal["critical", "high", "medium", "warning", "info"]
ORDER: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "warning", "info")
FINDINGS_MAX: Final = 500


class Finding(msgspec.Struct, frozen=True):
    """What a rule found. `place` is a JSON pointer, or a file and its line; the message holds none of the words."""

    rule: str
    severity: Severity
    place: str
    message: str

    @property
    def is_grave(self) -> bool:
        """Whether nobody should take it without a thought."""
        return self.severity in ("critical", "high")


def sorted_by_weight(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, the gravest first, each once, no more than anybody reads."""
    told = {(each.rule, each.place): each for each in findings}
    ordered = sorted(told.values(), key=lambda each: (ORDER.index(each.severity), each.rule))
    return tuple(ordered[:FINDINGS_MAX])
