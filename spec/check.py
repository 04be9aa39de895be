"""Checks the requirements manifest against the tests, both ways. Standard library only.

Every requirement lists the tests that prove it; each of those tests exists and carries
`@pytest.mark.req("<id>")`; every test that carries the mark is listed under that id.

Usage: python spec/check.py [ROOT]
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

MANIFEST = "spec/requirements.toml"
TEST_ROOTS = ("tests", "src/lichen/testing")  # conformance suites live in the second
ID = re.compile(r"[A-Z]{2,6}-[1-9][0-9]*\.[1-9][0-9]*")
FIELDS = {"id", "text", "source", "tests"}
MARK = "pytest.mark.req"


@dataclass(frozen=True, slots=True)
class Test:
    """A test as it stands in the source. `name` is `path::function` or `path::Class::function`."""

    name: str
    place: str
    ids: frozenset[str]


@dataclass(slots=True)
class Marks:
    """What the test files declare: tests by name, and marks that stand where they prove nothing."""

    tests: dict[str, Test] = field(default_factory=dict[str, Test])
    errors: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of the manifest. `tests` has each name once, parameters stripped, with its `file:line`."""

    id: str
    tests: dict[str, str]


def check(root: Path) -> list[str]:
    """Returns what is wrong with the manifest under `root`, one `file:line: sentence` each; empty when all is well."""
    marks = read_marks(root)
    errors = list(marks.errors)
    try:
        requirements = read_manifest(root, errors)
    except (OSError, tomllib.TOMLDecodeError) as error:
        return [*errors, f"{MANIFEST}:1: cannot be read: {error}"]
    errors += unproven(requirements, marks.tests)
    errors += unlisted(requirements, marks.tests.values())
    return errors


def unproven(requirements: Iterable[Requirement], tests: dict[str, Test]) -> Iterator[str]:
    """Names listed tests that do not exist or do not carry the mark."""
    for requirement in requirements:
        for name, place in requirement.tests.items():
            if name not in tests:
                yield f"{place}: {requirement.id} lists {name}, which does not exist"
            elif requirement.id not in tests[name].ids:
                yield f'{tests[name].place}: {name} is listed for {requirement.id}; mark it @{MARK}("{requirement.id}")'


def unlisted(requirements: Iterable[Requirement], tests: Iterable[Test]) -> Iterator[str]:
    """Names tests whose mark the manifest does not know."""
    listed = {(requirement.id, name) for requirement in requirements for name in requirement.tests}
    for test in tests:
        for id_ in sorted(test.ids):
            if (id_, test.name) not in listed:
                yield f"{test.place}: {test.name} is marked {id_}, but {MANIFEST} does not list it there"


def read_manifest(root: Path, errors: list[str]) -> list[Requirement]:
    """Returns the well-formed entries and adds what is wrong with the others to `errors`."""
    text = (root / MANIFEST).read_text(encoding="utf-8")
    document = tomllib.loads(text)
    errors += [f"{MANIFEST}:1: unknown key {key!r}" for key in document if key != "requirement"]
    entries, places = document.get("requirement", []), list(entry_lines(text))
    if not isinstance(entries, list) or len(entries) != len(places):
        errors.append(f"{MANIFEST}:1: write every requirement under its own [[requirement]] line")
        return []
    requirements: list[Requirement] = []
    seen: set[str] = set()
    for entry, (first, lines) in zip(entries, places, strict=True):
        wrong = list(faults_of(entry, seen))
        errors += [f"{MANIFEST}:{first}: {sentence}" for sentence in wrong]
        if not wrong:
            seen.add(entry["id"])
            tests = {name.partition("[")[0]: f"{MANIFEST}:{line_of(name, lines, first)}" for name in entry["tests"]}
            requirements.append(Requirement(entry["id"], tests))
    return requirements


def faults_of(entry: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """Says what is wrong with one entry taken by itself and with the ids `seen` before it."""
    id_ = entry.get("id")
    if not isinstance(id_, str) or not ID.fullmatch(id_):
        yield f"id {id_!r} is malformed; write it like GOA-19.1"
    elif id_ in seen:
        yield f"{id_} is already taken"
    for key in sorted(entry.keys() ^ FIELDS):
        yield f"{id_} has an unknown key {key!r}" if key in entry else f"{id_} has no {key}"
    for key in ("text", "source"):
        if key in entry and not (isinstance(entry[key], str) and entry[key].strip()):
            yield f"{id_} has an empty {key}"
    tests = entry.get("tests", [""])
    if not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
        yield f"{id_} must list its tests as strings"
    elif not tests:
        yield f"{id_} has no test"


def entry_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each entry's first line number and its lines; TOML tells values, not places."""
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*requirement\s*\]\]", line)]
    for start, end in pairwise([*starts, len(lines)]):
        yield start + 1, lines[start:end]


def line_of(name: str, lines: list[str], first: int) -> int:
    """Returns the line on which `name` is quoted, or the entry's first."""
    return next((first + n for n, line in enumerate(lines) if f'"{name}"' in line or f"'{name}'" in line), first)


def read_marks(root: Path) -> Marks:
    """Collects every test function and every mark in the test files under `root`."""
    marks = Marks()
    for path in sorted(path for sub in TEST_ROOTS for path in (root / sub).rglob("*.py")):
        file = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_bytes(), filename=file)
        proving: set[ast.AST] = set()
        for name, function in collected(tree):
            ids = {mark.func: marked_ids(mark) for mark in function.decorator_list if isinstance(mark, ast.Call)}
            proving.update(func for func, found in ids.items() if found)
            test = Test(f"{file}::{name}", f"{file}:{function.lineno}", frozenset[str]().union(*ids.values()))
            marks.tests[test.name] = test
        for node in ast.walk(tree):
            if is_mark(node) and node not in proving:
                marks.errors.append(f"{file}:{node.lineno}: {MARK} must decorate a test and name its ids in quotes")
    return marks


def collected(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yields what pytest would collect: `test_*` of the module and of its classes, with the name inside the file."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and member.name.startswith("test_"):
                yield prefix + member.name, member


def is_mark(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Tells whether `node` is the expression `pytest.mark.req`."""
    return isinstance(node, ast.Attribute) and node.attr == "req" and ast.unparse(node) == MARK


def marked_ids(call: ast.Call) -> frozenset[str]:
    """Returns the ids the mark names; none when it is another mark, or names one other than by a plain string."""
    ids = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if not is_mark(call.func) or len(ids) != len(call.args):
        return frozenset()
    return frozenset(id_ for id_ in ids if isinstance(id_, str))


def main(arguments: list[str]) -> int:
    """Prints what is wrong and returns the exit status."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    errors = check(root)
    for error in errors:
        print(error)
    print(f"{MANIFEST}: {len(errors)} errors" if errors else f"{MANIFEST}: every requirement has its tests")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
