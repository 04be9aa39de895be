"""The blocks of code on a page, in their order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGES = Path(__file__).parents[2] / "docs" / "pages"
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)?(?P<rest>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_TITLE = re.compile(r'title="([^"]+)"')


class Fence(NamedTuple):
    """One block. A `title` is the file it is the content of."""

    page: str
    line: int
    language: str
    title: str
    text: str


def fences(page: Path) -> list[Fence]:
    """The blocks of a page."""
    source = page.read_text(encoding="utf-8")
    name = page.relative_to(PAGES).as_posix() if page.is_relative_to(PAGES) else page.name
    found: list[Fence] = []
    for each in _FENCE.finditer(source):
        title = _TITLE.search(each["rest"])
        line = source.count("\n", 0, each.start()) + 1
        text = re.sub(rf"^{each['indent']}", "", each["text"], flags=re.MULTILINE)
        found.append(Fence(name, line, each["language"] or "", title[1] if title else "", text))
    return found


def pages() -> list[Path]:
    """Every page that is written by hand."""
    return sorted(PAGES.rglob("*.md"))
