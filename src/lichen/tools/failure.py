"""An exception as the record of a call keeps it: its type, its words, its traceback, and the line to look at."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from lichen.core.ports.model import ModelError
from lichen.core.words.errors import LichenError
from lichen.core.words.failure import Failure

MESSAGE_BYTES_MAX: Final = 4 * 1024
TRACEBACK_BYTES_MAX: Final = 16 * 1024
FRAMES_MAX: Final = 64  # of a recursion only the ends tell anything

_LICHEN: Final = str(Path(__file__).resolve().parent.parent)
_FOREIGN: Final = (*{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}, _LICHEN, "<")


def failure_of(error: BaseException) -> Failure:
    """What an exception says, bounded. One that brings a `failure` from another process is taken at its word.

    One that was foreseen, as that a model gives no reply or that policy lets it not be asked, has no place and no
    traceback unless the project's own code raised it: its words say all. No place is one of ours.
    """
    brought = getattr(error, "failure", None)
    if isinstance(brought, Failure):
        return brought
    frames = _frames(error.__traceback__)
    own = _own(frames)
    if isinstance(error, ModelError | LichenError) and not own:
        return Failure(type(error).__name__, _message(error))
    of_others = [frame for frame in frames if not frame[0].startswith(_LICHEN)]
    file, line = (own or of_others or [("", 0)])[-1]
    return Failure(type(error).__name__, _message(error), _traceback(error), file, line)


def raised_at(error: BaseException) -> str:
    """The place for the process's log, whose readers may look into any code: the innermost of the project's own code,
    or of all there is where none of it is the project's."""
    brought = getattr(error, "failure", None)
    if isinstance(brought, Failure):
        return brought.place
    frames = _frames(error.__traceback__)
    file, line = (_own(frames) or ([] if isinstance(error, ModelError) else frames) or [("", 0)])[-1]
    return f"{file}:{line}" if file else ""


def _own(frames: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [frame for frame in frames if not frame[0].startswith(_FOREIGN)]


def _frames(trace: TracebackType | None) -> list[tuple[str, int]]:
    return [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)]


def _message(error: BaseException) -> str:
    try:
        return bounded(str(error), MESSAGE_BYTES_MAX)
    except Exception as broken:  # noqa: BLE001 - an exception's own __str__ may raise anything
        return f"(its text cannot be read: {type(broken).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException.from_exception(error, limit=-FRAMES_MAX).format()
        return bounded("".join(lines), TRACEBACK_BYTES_MAX)
    except Exception as broken:  # noqa: BLE001 - as above; a failure must not fail for want of its words
        return f"(its traceback cannot be read: {type(broken).__name__})"


def bounded(text: str, bytes_max: int) -> str:
    """The text, or its end where it is longer: the end of a traceback says what happened."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= bytes_max else "…" + data[3 - bytes_max :].decode("utf-8", "ignore")
