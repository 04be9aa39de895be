"""What went wrong in code that is not Lichen's: a tool, a planner, facts. Sealed in the record it belongs to."""

from __future__ import annotations

import msgspec

PART = "failure"  # the content part of a record that holds one, as JSON


class Failure(msgspec.Struct, frozen=True):
    """An exception in its own words, for operators only: `message` and `traceback` may hold anything.

    `file` and `line` are the innermost place in the project's own code, empty and 0 where there is none.
    """

    exception: str
    message: str = ""
    traceback: str = ""
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """`file:line`; empty where there is none."""
        return f"{self.file}:{self.line}" if self.file else ""
