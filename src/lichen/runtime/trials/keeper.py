"""Writes a result while its suite is held, line by line: what was done is kept, whatever ends the process.

The file is locked as long as somebody writes it. So who reads it knows without asking whether more is to come.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from lichen.core.words.scope import Scope
from lichen.runtime.trials import places
from lichen.runtime.trials.reader import Kept
from lichen.runtime.trials.result import (
    Begun,
    Calibrated,
    Ended,
    JudgeTold,
    Line,
    Made,
    Trial,
    TrialTold,
    Tried,
    sums_of,
)


class Keeper:
    """One result as it grows; `close` when nothing more will be. Raises OSError where it cannot be begun; `broken` is
    told where it cannot go on, and no more is written then."""

    def __init__(
        self, home: Path, begun: Begun, *, clock: Callable[[], int], broken: Callable[[OSError], None]
    ) -> None:
        self._broken, self._is_broken = broken, False
        self._home, self._begun, self._clock = home, begun, clock
        self._scope = Scope(begun.tenant, begun.env)
        self._cases: dict[str, list[Trial]] = {}
        self._judge: Calibrated | None = None
        self._bytes = 0
        path = places.file_of(home, self._scope, begun.id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._write(begun)

    def judge(self, calibrated: Calibrated) -> None:
        """How its judge did."""
        self._judge = calibrated
        self._write(JudgeTold(calibrated))

    def trial(self, case: str, trial: Trial) -> None:
        """One more time that a case was held."""
        kept = bounded(trial)
        if self._bytes + len(msgspec.json.encode(kept)) > places.FILE_BYTES_MAX:
            kept = msgspec.structs.replace(kept, missed=kept.missed[:1], lines=(), judged=(), is_cut=True)
        self._cases.setdefault(case, []).append(kept)
        if self._bytes < places.WHOLE_BYTES_MAX:
            self._write(TrialTold(case, kept))

    def end(self, status: Literal["finished", "interrupted", "failed"], *, code: str = "") -> None:
        """The last line. Older results than are kept leave now."""
        cases = tuple(Tried(self._begun.suite, name, tuple(trials)) for name, trials in self._cases.items())
        self._write(Ended(self._clock(), status, sums_of(cases, self._judge), code))
        Kept(self._home).prune(self._scope)

    def close(self) -> None:
        """Lets go of the file: without a last line, it was interrupted."""
        os.close(self._file)

    def _write(self, line: Begun | JudgeTold | TrialTold | Ended) -> None:
        if self._is_broken:
            return
        data = msgspec.json.encode(line) + b"\n"
        try:
            while data:
                written = os.write(self._file, data)
                self._bytes, data = self._bytes + written, data[written:]
        except OSError as error:  # a full disk ends the keeping, not the evals
            self._is_broken = True
            self._broken(error)


def bounded(trial: Trial) -> Trial:
    """A trial whose words are as many as are kept of each text."""
    missed = tuple(
        msgspec.structs.replace(miss, message=_cut(miss.message), expected=_cut(miss.expected)) for miss in trial.missed
    )
    judged = tuple(msgspec.structs.replace(each, reason=_cut(each.reason)) for each in trial.judged)
    return msgspec.structs.replace(trial, missed=missed, judged=judged, lines=tuple(map(_line, trial.lines)))


def _line(line: Line) -> Line:
    calls = tuple(Made(call.tool, _cut(call.args), call.verdict, call.outcome) for call in line.calls)
    return Line(_cut(line.said), tuple(map(_cut, line.texts)), calls, line.outcome, line.error)


def _cut(text: str) -> str:
    return text if len(text) <= places.TEXT_CHARS_MAX else f"{text[: places.TEXT_CHARS_MAX - 1]}…"
