"""What proves a log: the heads that were signed, and what verification found. What an operator may see of it."""

from __future__ import annotations

import msgspec

from lichen.log.audit.findings import Report
from lichen.log.log import Log
from lichen.log.proof.checkpoint import parse_and_verify


class Verification(msgspec.Struct, frozen=True):
    """What a log's verification found. `unsigned` records are newer than the last signed head; `first` is the first
    thing that is wrong. `remembered` says whether the log was compared with a head kept apart from it."""

    ok: bool
    log: str
    records: int
    heads: int
    unsigned: int
    root: str
    remembered: bool
    first: str | None
    findings: tuple[str, ...]


def verification(report: Report, log: str) -> Verification:
    """What a report says of one log, and of what is wrong with the file as a whole.

    A log that nothing was written to yet is sound; one that is gone is missed by the head that lies with the keys.
    """
    own = [finding for finding in report.findings if finding.place.log in ("", log)]
    found = next((each for each in report.logs if each.id == log), None)
    return Verification(
        ok=not own,
        log=log,
        records=found.records if found else 0,
        heads=found.heads if found else 0,
        unsigned=found.unsigned if found else 0,
        root=found.root.hex() if found else "",
        remembered=report.remembered > 0,
        first=str(own[0]) if own else None,
        findings=tuple(map(str, own)),
    )


class Head(msgspec.Struct, frozen=True):
    """A signed tree head: the log's size and root (hexadecimal) at a moment, and the text anybody may keep."""

    size: int
    root: str
    ts_us: int
    checkpoint: str


def heads(log: Log, limit: int) -> tuple[Head, ...]:
    """The last signed heads, the newest first, their signatures checked. Raises Corrupt (`checkpoint_corrupt`)."""
    texts = log.checkpoints(limit)
    found = ((parse_and_verify(text, log.public_key), text) for text in texts)
    return tuple(Head(head.size, head.root.hex(), head.ts_us, text.decode()) for head, text in found)
