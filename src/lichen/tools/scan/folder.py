"""A folder of a skill, read line by line as far as it may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lichen.core.words.errors import LichenError
from lichen.tools.pins.folder import Found
from lichen.tools.pins.folder import found as files
from lichen.tools.scan.custom import OwnRules
from lichen.tools.scan.finding import Finding, sorted_by_weight
from lichen.tools.scan.hidden import hidden, plain
from lichen.tools.scan.rule import Rule, found
from lichen.tools.scan.shell import SHELL_RULES
from lichen.tools.scan.words import WORD_RULES

FILE_BYTES_MAX: Final = 1024 * 1024
FILES_MAX: Final = 1_000
PROSE: Final = frozenset((".md", ".txt", ".rst", ""))
TEXT: Final = PROSE | {
    ".yaml", ".yml", ".json", ".toml", ".sh", ".bash", ".zsh", ".py", ".js", ".mjs", ".ts", ".rs", ".go", ".rb", ".pl",
    ".conf", ".cfg", ".ini", ".ps1", ".html",
}  # fmt: skip
_SHEBANG: Final = re.compile(r"#!\s{0,4}(?:/\S{0,60}/)?(?:env\s{1,4}(?:-S\s{1,4})?)?([\w.+-]{1,40})")
NO_RULES: Final = OwnRules()


def scan_folder(folder: Path, own: OwnRules = NO_RULES) -> tuple[Finding, ...]:
    """What is suspicious in the files of a folder. Raises NotFound (`folder_missing`)."""
    return sorted_by_weight(_scanned(folder, own))


def _scanned(folder: Path, own: OwnRules) -> Iterator[Finding]:
    rules = (*SHELL_RULES, *own.rules)
    listed = files(folder)
    for count in range(FILES_MAX + 1):
        try:
            each = next(listed, None)
        except LichenError as error:
            if error.code == "folder_missing":
                raise
            yield Finding("scan-limit", "warning", "", error.message)
            return
        if each is None:
            return
        if count == FILES_MAX:
            yield Finding("scan-limit", "warning", each.path, f"More than {FILES_MAX} files; the rest was not read.")
            return
        yield from _file(each, rules, own)


def _file(file: Found, rules: tuple[Rule, ...], own: OwnRules) -> Iterator[Finding]:
    suffix = file.where.suffix.lower()
    if file.size > FILE_BYTES_MAX:
        yield Finding("scan-limit", "info", file.path, f"It has more than {FILE_BYTES_MAX} bytes and was not read.")
        return
    data = file.where.read_bytes()
    if suffix not in TEXT or b"\0" in data[:8_192]:
        return
    text = data.decode("utf-8", "replace")
    yield from scan_text(text, file.path, rules, speaks=suffix in PROSE)
    yield from _begins(text, file.path, own)


def scan_text(text: str, path: str, rules: tuple[Rule, ...], *, speaks: bool = True) -> Iterator[Finding]:
    """What is suspicious in a text, line by line; one that speaks to a model is looked at whole, too."""
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{path}:{number}"
        bare = line.rstrip("\r")
        yield from hidden(bare.removeprefix("\ufeff") if number == 1 else bare, place)
        yield from found(rules, bare, place)
        if speaks:
            yield from found(WORD_RULES, plain(bare), place)


def _begins(text: str, path: str, own: OwnRules) -> Iterator[Finding]:
    """Whether a program is run by one that is allowed."""
    begins = _SHEBANG.match(text)
    if own.executables is not None and begins is not None and begins[1] not in own.executables:
        yield Finding("executable-not-allowed", "high", f"{path}:1", "It is run by a program that is not allowed here.")
