"""Markdown as the reference is written in: tables, code, and the prose of docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

_BRACES = re.compile(r"(?<!`)\{([a-z_]+)\}(?!`)")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. A bar inside a cell stays one."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """A piece of code inside a line; nothing when it is empty."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}" if text else ""


def block(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def prose(thing: Any) -> str:
    """The docstring of something, as paragraphs."""
    return inspect.cleandoc(inspect.getdoc(thing) or "")


def anchor(name: str) -> str:
    """An address inside a page for what is called so."""
    return f'<a id="{name}"></a>'
