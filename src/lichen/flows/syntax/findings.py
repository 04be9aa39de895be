"""What is wrong with a flow, and where: findings with file, line, column and JSON pointer."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Place

Kind = Literal[
    "Yaml",
    "Schema",
    "UnknownFlowType",
    "InvalidIdentifier",
    "NodeComponentShape",
    "BadComponentKey",
    "Routing",
    "MissingNode",
    "McpConfig",
    "Internal",
]
"""The error kinds of greentic-flow; `code` says more precisely what it is."""

Severity = Literal["error", "warning"]

FINDINGS_MAX: Final = 100


class Finding(msgspec.Struct, frozen=True):
    """One thing to mend (`error`) or to know (`warning`). Lines and columns count from 1."""

    kind: Kind
    code: str
    message: str
    path: str
    line: int
    column: int
    pointer: str
    next_step: str
    severity: Severity = "error"

    @property
    def place(self) -> str:
        """`file:line:column`, as editors understand it."""
        return f"{self.path}:{self.line}:{self.column}"


class FlowInvalid(Invalid):
    """A flow that cannot be used. `findings` are all that was found, errors first; the message is the first one's."""

    code = "flow_invalid"
    next_step = "Correct the flow and load it again."

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        first, more = findings[0], sum(finding.severity == "error" for finding in findings) - 1
        others = f" ({more} more)" if more > 0 else ""
        super().__init__(f"{first.message}{others}", code=first.code, next_step=first.next_step, place=first.place)
        self.findings = findings


class Report:
    """Gathers the findings of one file while it is loaded, at most FINDINGS_MAX of them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Finding] = []

    def error(self, kind: Kind, code: str, message: str, *, at: Place, next_step: str) -> None:
        """Notes something that must be mended."""
        self._note(Finding(kind, code, message, self.path, at.line, at.column, at.pointer, next_step))

    def warn(self, kind: Kind, code: str, message: str, *, at: Place, next_step: str) -> None:
        """Notes something the author should know."""
        self._note(Finding(kind, code, message, self.path, at.line, at.column, at.pointer, next_step, "warning"))

    def halt(self) -> None:
        """Raises FlowInvalid if there is an error by now."""
        errors = [finding for finding in self.found if finding.severity == "error"]
        if errors:
            raise FlowInvalid((*errors, *self.warnings))

    def refuse(self, kind: Kind, code: str, message: str, *, at: Place, next_step: str) -> FlowInvalid:
        """The error to raise when nothing after this can be read."""
        self.error(kind, code, message, at=at, next_step=next_step)
        errors = [finding for finding in self.found if finding.severity == "error"]
        return FlowInvalid((errors[-1], *errors[:-1], *self.warnings))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The warnings so far, in the order of the file."""
        found = [finding for finding in self.found if finding.severity == "warning"]
        return tuple(sorted(found, key=lambda finding: (finding.line, finding.column)))

    def _note(self, finding: Finding) -> None:
        if len(self.found) < FINDINGS_MAX or finding.severity == "error":
            self.found.append(finding)
