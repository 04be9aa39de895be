"""Where a command's words go: coloured and drawn in a terminal, plain in a pipe, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from lichen.core.words.hidden import HIDDEN

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MEANINGS = {
    "running": "cyan",
    "waiting": "yellow",
    "completed": "green",
    "failed": "bold red",
    "cancelled": "dim",
    "ok": "green",
    "approved": "green",
    "happened": "green",
    "denied": "bold red",
    "declined": "bold red",
    "answered": "green",
    "done": "green",
    "paused": "yellow",
    "deny": "bold red",
    "hold": "yellow",
    "allow": "green",
    "approval": "yellow",
    "reconcile": "bold yellow",
    "unknown": "bold yellow",
    "expired": "dim",
    "problem": "bold red",
    "warning": "yellow",
    "once": "yellow",
    "readonly": "bold red",
}
"""What a word means is what colour it has, everywhere."""


class Screen:
    """Output of one command. With `as_json` only `data` writes to stdout."""

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout
        self.is_terminal = self._stream.isatty() and not as_json
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """Rich's console, loaded when something is first drawn."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self._stream, highlight=False)
        return self._console

    def data(self, value: Any) -> bool:
        """Writes `value` as JSON if that is wanted. Tells whether it was, so that nothing else is said."""
        if self.as_json:
            self._write(json.dumps(value, ensure_ascii=self._stream.isatty(), indent=2))
        return self.as_json

    def event(self, value: Any) -> bool:
        """Writes `value` as one line of JSON if that is wanted: for what comes one after the other."""
        if self.as_json:
            self._write(json.dumps(value, ensure_ascii=self._stream.isatty()))
        return self.as_json

    def line(self, text: str = "", style: str | None = None) -> None:
        """One line of text."""
        if self.as_json:
            return
        if self.is_terminal:
            from rich.text import Text

            self.console.print(Text(safe(text), style=style or ""), soft_wrap=True)
        else:
            self._write(safe(text))

    def piece(self, text: str, style: str | None = None) -> None:
        """A piece of a line that goes on: for terminals only."""
        from rich.text import Text

        self.console.print(Text(safe(text), style=style or ""), end="", soft_wrap=True)

    def draw(self, picture: RenderableType) -> None:
        """A picture. For terminals only: in a pipe the caller writes rows."""
        self.console.print(picture)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
        """Rows under columns; `empty` is said when there is none."""
        if self.as_json:
            return
        if not rows:
            self.line(empty, "dim")
        elif self.is_terminal:
            self._draw_table(columns, rows)
        else:
            self._write_table(columns, rows)

    def _draw_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, header_style="bold dim", pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=column in ("id", "time", "status"))
        for row in rows:
            table.add_row(*(Text(safe(cell), style=MEANINGS.get(cell, "")) for cell in row))
        self.draw(table)

    def _write_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [[column.upper() for column in columns], *([_one_line(cell) for cell in row] for row in rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        for line in lines:
            self._write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


def note(text: str) -> None:
    """Something the reader should know and a program should not read: on stderr."""
    sys.stderr.write(f"lichen: {safe(text)}\n")
    sys.stderr.flush()


def safe(text: str) -> str:
    """A text that a stranger may have written, without what would steer the reader's terminal or hide in it."""
    return HIDDEN.sub("�", text)


def _one_line(text: str) -> str:
    return safe(" ".join(text.split()))
