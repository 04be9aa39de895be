"""The process's own log: one line for each event on stderr, as text or JSON, with nothing in it that a stranger wrote.

Records of Lichen bring their fields; of everybody else's (the server, asyncio, a project's libraries) the line tells
where they come from and the type and place of an exception, but not their words, unless `with_text` allows those.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from lichen.engine.sends.failures import Fields, line
from lichen.tools.failure import failure_of, raised_at

LineFormat = Literal["text", "json"]
LEVELS: Final = ("debug", "info", "warning", "error")

_log = logging.getLogger("lichen.serve")


def event(name: str, fields: Fields, *, level: int = logging.INFO) -> None:
    """One event of the process: a word, and fields that hold nothing a stranger wrote."""
    _log.log(level, line(name, fields), extra={"event": name, "fields": fields})


def broken(what: str, error: BaseException) -> None:
    """One line for an error that nobody foresaw while `what` was done for a caller."""
    failure = failure_of(error)
    fields: Fields = {"code": "internal", "exception": failure.exception, "at": raised_at(error), "what": what}
    event("failed", fields, level=logging.ERROR)


def write(shape: LineFormat, level: str, *, with_text: bool) -> None:
    """From now on every log record of this process is one line on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(shape, with_text=with_text))
    handler.addFilter(_matters)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _matters(record: logging.LogRecord) -> bool:
    """What others say below a warning is about their insides."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] == "lichen"


class _Lines(logging.Formatter):
    """Makes a line of a record."""

    def __init__(self, shape: LineFormat, *, with_text: bool) -> None:
        super().__init__()
        self._shape = shape
        self._with_text = with_text

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        name, fields = self._told(record)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        level = record.levelname.lower()
        if self._shape == "json":
            return msgspec.json.encode({"time": moment, "level": level, "event": name, **fields}).decode()
        return f"{moment} {level:<7} {line(name, fields)}"

    def _told(self, record: logging.LogRecord) -> tuple[str, Fields]:
        given: dict[str, Any] = record.__dict__
        if isinstance(given.get("fields"), dict):
            return str(given.get("event", "note")), given["fields"]
        is_ours = record.name.partition(".")[0] == "lichen"
        fields: Fields = {"logger": record.name}
        if is_ours or self._with_text:
            fields["message"] = record.getMessage()
        if not is_ours:
            fields["from"] = f"{record.pathname}:{record.lineno}"
        return "note", fields | self._failed(record)

    def _failed(self, record: logging.LogRecord) -> Fields:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return {}
        failure = failure_of(error)
        fields: Fields = {"exception": failure.exception, "at": raised_at(error)}
        return fields | ({"traceback": failure.traceback} if self._with_text else {})
