"""The generated reference: complete, and what it shows is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from docs.reference import codes, commands, flows, models
from docs.reference.pages import PARTS
from docs.sealed import loads
from lichen.core.ports.model import KINDS
from lichen.flows.read.load import parse

SOURCE = Path(codes.SOURCE)
ANCHOR = re.compile(r'<a id="([a-z0-9_]+)"></a>')
WRITTEN = re.compile(r'\bcode: str = "([a-z0-9_]+)"|\bcode = "([a-z0-9_]+)"|\bcode="([a-z0-9_]+)"')


def constants() -> set[str]:
    """Every text that stands anywhere in the package."""
    nodes = (node for _, tree in codes.modules() for node in ast.walk(tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.req("DOC-4.3")
@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_part_of_the_reference_can_be_written_today(name: str) -> None:
    assert len(PARTS[name]().splitlines()) > 3


@pytest.mark.req("DOC-4.5")
def test_every_error_code_is_on_the_page_and_every_code_on_the_page_is_raised() -> None:
    page = ANCHOR.findall(codes.errors())
    assert len(page) == len(set(page)) > 150
    assert set(page) <= constants()
    raised = {each.code for each in codes.raised()}
    assert set(page) == raised
    said = {code for _, tree in codes.modules() for code in documented(tree)}
    assert said - raised - {each.code for each in codes.failed()} - NOT_ERRORS == set()


# What docstrings name in the same way, and no error of ours has as its code.
NOT_ERRORS: set[str] = set()


def documented(tree: ast.Module) -> set[str]:
    """The codes that docstrings promise: `Raises Invalid (`a`, `b`)`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for names in re.findall(r"\b(?:Invalid|NotFound|Denied|Conflict|Unavailable|Corrupt|Expired) \((`[^)]*)\)",
                                    ast.get_docstring(node) or ""):  # fmt: skip
                found |= {name for name in re.findall(r"`([a-z0-9_]+)`", names) if "_" in name}
    return found


@pytest.mark.req("DOC-4.5")
def test_every_error_says_a_cause_and_what_to_do() -> None:
    rows = [line.split(" | ") for line in codes.errors().splitlines()[2:]]
    silent = [row[0] for row in rows if not row[2].strip() or not row[3].strip(" |")]
    assert silent == []


@pytest.mark.req("DOC-4.3")
def test_every_command_and_option_is_on_the_page() -> None:
    page = commands.page()
    for path, command in commands.each():
        assert f"## {path}\n" in page
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert not option.startswith("--") or f"`{option}`" in page, f"{path} {option}"


@pytest.mark.req("DOC-4.3")
@pytest.mark.parametrize("shown", flows.SHOWN, ids=lambda shown: shown.title)
def test_every_node_that_is_shown_loads_without_a_finding(shown: flows.Shown) -> None:
    loaded = parse(flows.flow_of(shown), "example.ygtc")
    assert [finding.message for finding in loaded.warnings] == []
    assert flows.first_operation(loaded.flow) in shown.operations or shown.operations[-1] == "emit.NAME"


@pytest.mark.req("DOC-4.6")
@pytest.mark.parametrize(
    ("html", "is_sealed"),
    [
        ('<script src="https://cdn.example/x.js"></script>', False),
        ('<link rel="stylesheet" href="//fonts.example/a.css">', False),
        ('<img alt="" src="https://pictures.example/a.png">', False),
        ('<a href="https://www.cedarpolicy.com">Cedar</a><script src="assets/x.js"></script>', True),
        ('<link rel="canonical" href="https://lichen.example/"><pre>&lt;img src="https://x"></pre>', True),
    ],
)
def test_a_site_that_loads_something_from_elsewhere_is_refused(tmp_path: Path, html: str, is_sealed: bool) -> None:
    (tmp_path / "index.html").write_text(html)
    (tmp_path / "own.css").write_text("body { background: url(own.png) }")
    assert (loads(tmp_path) == []) is is_sealed
    (tmp_path / "other.css").write_text("@import 'https://fonts.example/a.css';")
    assert loads(tmp_path) != []


@pytest.mark.req("DOC-4.9")
def test_every_failure_of_a_model_is_explained() -> None:
    assert set(models.FAILURE) == set(KINDS)
    for code, kind in KINDS.items():
        (row,) = [line for line in models.failures().splitlines() if f"`{code}`" in line]
        assert kind.public in row
        assert len(models.FAILURE[code].cause) > 10
        assert len(models.FAILURE[code].mend) > 10
