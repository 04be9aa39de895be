"""What verification says: what was looked at, and everything that is not as it was signed, with its place."""

from __future__ import annotations

import msgspec

FINDINGS_MAX = 100


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where in a volume: table and column, and where it makes sense a log, a position in it and a stream's record."""

    table: str
    column: str = ""
    log: str = ""
    seq: int | None = None
    stream: str = ""
    n: int | None = None
    key: str = ""

    def in_column(self, column: str) -> Place:
        """The same place, down to a column."""
        return msgspec.structs.replace(self, column=column)

    def __str__(self) -> str:
        parts = [self.log, "" if self.seq is None else f"record {self.seq}"]
        parts.append(self.stream if self.n is None else f"{self.stream} {self.n}")
        column = f"{self.table}.{self.column}" if self.column else self.table
        parts.append(f"{column}[{self.key}]" if self.key else column)
        return " · ".join(part for part in parts if part)


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    place: Place
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


class LogReport(msgspec.Struct, frozen=True):
    """One log: how many records and signed heads it has, and how many records no head covers yet.

    `is_signed_by_known_key` is false when no public key was at hand, so that heads only agree with the records.
    `unread` counts streams with records of types that this version does not know: those verify, their views cannot.
    """

    id: str
    records: int
    heads: int
    unsigned: int
    root: bytes
    chain: bytes
    is_signed_by_known_key: bool
    unread: int = 0


class Report(msgspec.Struct, frozen=True):
    """The outcome. `findings` in the order in which they were met, at most a hundred; `count` is how many there were.

    `orphans` are blobs that no record names, as a crash leaves them: no harm. `remembered` counts the heads kept
    elsewhere that the logs were compared with: without one, nobody can tell whether the newest records were cut off.
    """

    findings: tuple[Finding, ...]
    count: int
    logs: tuple[LogReport, ...]
    blobs: int
    orphans: int
    remembered: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.count

    @property
    def first(self) -> Finding | None:
        """The first thing that is wrong."""
        return self.findings[0] if self.findings else None


class Findings:
    """Collects findings up to a bound."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.count = 0

    def add(self, place: Place, problem: str) -> None:
        """Notes a finding."""
        self.count += 1
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(Finding(place, problem))
