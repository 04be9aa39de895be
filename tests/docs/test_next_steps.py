"""What a reader is told to do can be done: every command that a text of ours names exists, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.commands import PLACE, problem

SOURCE = Path(__file__).parents[2] / "src" / "lichen"
QUOTED = re.compile(r"`(lichen [^`]+)`")
PLAIN = re.compile(r"(?:^|, then )(lichen [a-z][^,`]*)")
PACKAGE = re.compile(r"pip install ['\"]?lichen\b")


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text of a file with its line; what a program fills in is `{}`."""
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr():
                yield (
                    node.lineno,
                    "".join(str(v.value) if isinstance(v, ast.Constant) else PLACE for v in node.values),
                )
            case ast.Constant(value=str(text)):
                yield node.lineno, text
            case _:
                pass


def named() -> Iterator[tuple[str, str]]:
    """Every command that the source names, with its place."""
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE)
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            found = [*QUOTED.findall(text)]
            if where.parts[0] == "cli":
                found += [each.strip() for each in PLAIN.findall(text)]
            for command in found:
                yield f"{where}:{line}", " ".join(command.split()).rstrip(".")
    for path in sorted(SOURCE.rglob("*.html")):
        for command in re.findall(r"<code>(lichen [^<]+)</code>", path.read_text(encoding="utf-8")):
            yield path.name, command


NAMED = sorted({(command, place) for place, command in named()})


@pytest.mark.req("DOC-3.1")
@pytest.mark.parametrize(("command", "place"), NAMED, ids=lambda each: str(each)[:60])
def test_a_command_that_a_text_names_exists_with_its_options(command: str, place: str) -> None:
    assert problem(command) == "", f"{place} says `{command}`"


@pytest.mark.req("DOC-3.1")
def test_the_commands_that_errors_name_are_all_looked_at() -> None:
    commands = {command for command, _ in NAMED}
    assert {"lichen doctor", "lichen list agents", "lichen approvals list", "lichen log verify"} <= commands
    assert len(commands) > 30


@pytest.mark.req("DOC-3.1")
@pytest.mark.parametrize(
    "command",
    [
        "lichen flow check", "lichen frobnicate", "lichen runs show RUN --colour", "lichen runs list RUN",
        "lichen chat --tenant",
    ],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_told_from_one_that_does(command: str) -> None:
    assert problem(command)


@pytest.mark.req("DOC-3.1")
def test_nobody_is_sent_to_a_package_that_somebody_else_may_own() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        assert not PACKAGE.search(path.read_text(encoding="utf-8")), path
