"""Reads results that are kept, while others may be written, and lets the oldest go."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

import msgspec

from lichen.core.words.scope import Scope
from lichen.runtime.trials import places
from lichen.runtime.trials.result import (
    Begun,
    Calibrated,
    Ended,
    JudgeTold,
    Result,
    Status,
    Sums,
    Trial,
    TrialTold,
    Tried,
    sums_of,
)

T = TypeVar("T")

_TAIL_BYTES: Final = 4_096  # a last line is shorter
_SIZE_MAX: Final = places.WHOLE_BYTES_MAX + places.FILE_BYTES_MAX  # no keeper writes more; another's file is not read
_BEGUN = msgspec.json.Decoder(Begun)
_ENDED = msgspec.json.Decoder(Ended)
_LINE: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Begun | JudgeTold | TrialTold | Ended)


class Entry(NamedTuple):
    """A result without its trials."""

    begun: Begun
    status: Status
    ended_us: int | None
    sums: Sums


class Kept:
    """The results in a data directory."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def entries(self, scope: Scope) -> list[Entry]:
        """All that are kept of a scope, the newest first. What is no result is passed by."""
        found = [entry for path in self._paths(scope) if (entry := _entry(path)) is not None]
        return sorted(found, key=lambda entry: (entry.begun.at_us, entry.begun.id), reverse=True)

    def read(self, scope: Scope, id: str) -> Result:
        """A result with all its trials. Raises NotFound (`eval_unknown`)."""
        result = _result(places.file_of(self._home, scope, id))
        if result is None:
            raise places.unknown(id)
        return result

    def last(self, scope: Scope, suite: str) -> Entry | None:
        """The newest of a suite that was finished."""
        found = (entry for entry in self.entries(scope) if entry.begun.suite == suite and entry.status == "finished")
        return next(found, None)

    def prune(self, scope: Scope) -> None:
        """Removes the oldest results of more than are kept of each suite, and in all. One under way stays."""
        seen: Counter[str] = Counter()
        left_bytes = places.SCOPE_BYTES_KEPT
        for number, entry in enumerate(self.entries(scope), 1):
            path = places.file_of(self._home, scope, entry.begun.id)
            seen[entry.begun.suite] += 1
            left_bytes -= _size(path)
            is_over = seen[entry.begun.suite] > places.SUITE_KEPT or number > places.SCOPE_KEPT or left_bytes < 0
            if is_over and number > 1 and entry.status != "running":
                path.unlink(missing_ok=True)

    def _paths(self, scope: Scope) -> list[Path]:
        return list(places.folder(self._home, scope).glob("eval-*.jsonl"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _entry(path: Path) -> Entry | None:
    """What the first and the last line say; all of it where there is no last one yet."""
    try:
        with path.open("rb") as file:
            begun = _BEGUN.decode(file.readline(1 << 20))
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            ended = _ended(file.read())
    except (OSError, msgspec.DecodeError):
        return None
    if ended is not None:
        return Entry(begun, ended.status, ended.at_us, ended.sums)
    result = _result(path)
    return None if result is None else Entry(begun, result.status, None, sums_of(result.cases, result.judge))


def _ended(tail: bytes) -> Ended | None:
    lines = tail.splitlines()
    try:
        return _ENDED.decode(lines[-1]) if lines else None
    except msgspec.DecodeError:
        return None


def _result(path: Path) -> Result | None:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > _SIZE_MAX:
                return None
            is_held = _is_held(file)
            lines = list(_lines(file.read()))
    except OSError:
        return None
    begun = lines[0] if lines else None
    if not isinstance(begun, Begun):
        return None
    cases: dict[str, list[Trial]] = {}
    for line in lines:
        if isinstance(line, TrialTold):
            cases.setdefault(line.case, []).append(line.trial)
    tried = tuple(Tried(begun.suite, name, tuple(trials)) for name, trials in cases.items())
    judge: Calibrated | None = next((line.calibrated for line in lines if isinstance(line, JudgeTold)), None)
    ended = lines[-1] if isinstance(lines[-1], Ended) else None
    status: Status = ended.status if ended is not None else "running" if is_held else "interrupted"
    return Result(begun, tried, judge, ended, status)


def _lines(data: bytes) -> Iterator[Begun | JudgeTold | TrialTold | Ended]:
    """The lines that are whole: the last one may have been cut by the end of its process."""
    for line in data.splitlines():
        try:
            yield _LINE.decode(line)
        except msgspec.DecodeError:
            return


def _is_held(file: BinaryIO) -> bool:
    """Whether somebody still writes it. Asked before it is read: what is written meanwhile is read as well."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
