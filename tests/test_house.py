"""The house holds: wings keep to their floors, the core stays pure, and `import lichen` stays light."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "src/lichen/core"

# What the core may import beside itself: values and pure functions, nothing that reaches the world.
PURE = {
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "copy", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "itertools", "json", "math", "msgspec", "operator",
    "re", "string", "struct", "types", "typing", "typing_extensions", "unicodedata", "urllib.parse",
}  # fmt: skip
# Names that reach the world without an import, or from a pure module.
IMPURE = re.compile(r"open|print|input|exec|eval|compile|__import__|breakpoint|(.+\.)?date(time)?\.(now|utcnow|today)")


def lint_imports(source: Path) -> subprocess.CompletedProcess[str]:
    """Runs the contracts of pyproject.toml over the package in `source`."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)


def house(root: Path, module: str, text: str) -> Path:
    """Builds a house with the rooms of ours, in which only `module` says something."""
    for file in (ROOT / "src/lichen").rglob("*.py"):
        empty = root / file.relative_to(ROOT / "src")
        empty.parent.mkdir(parents=True, exist_ok=True)
        empty.touch()
    (root / "lichen" / module).write_text(text)
    return root


@pytest.mark.req("HOUSE-1.1")
def test_every_wing_imports_only_from_floors_below() -> None:
    result = lint_imports(ROOT / "src")
    assert result.returncode == 0, result.stdout


@pytest.mark.req("HOUSE-1.1")
@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("core/deciders/run.py", "from lichen.log import volume"),
        ("core/deciders/run.py", "import asyncio"),
        ("core/deciders/run.py", "def read():\n    import sqlite3"),
        ("log/volume.py", "import lichen.gate"),
        ("engine/pace/step.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lichen.agents"),
        ("runtime/wiring.py", "import lichen.testing"),
        ("settings/file.py", "import lichen.serve"),
        ("settings/reading.py", "def load():\n    from lichen.runtime.project import project"),
        ("settings/file.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lichen.agents"),
        ("stray.py", ""),
    ],
)
def test_an_import_that_leaves_its_floor_breaks_the_build(tmp_path: Path, module: str, text: str) -> None:
    result = lint_imports(house(tmp_path, module, text))
    assert result.returncode == 1, result.stdout
    assert "broken" in result.stdout


def test_an_import_from_a_floor_below_is_fine(tmp_path: Path) -> None:
    result = lint_imports(house(tmp_path, "runtime/wiring.py", "import asyncio\nimport lichen.engine, lichen.core"))
    assert result.returncode == 0, result.stdout


ROOMS = sorted({file.parent for file in (ROOT / "src/lichen").rglob("*.py")})
MODULES_MAX = 12


@pytest.mark.req("HOUSE-1.4")
@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT / "src")))
def test_a_room_has_at_most_twelve_modules_and_says_what_it_answers(room: Path) -> None:
    modules = [file for file in room.glob("*.py") if file.name != "__init__.py"]
    assert len(modules) <= MODULES_MAX
    assert ast.get_docstring(ast.parse((room / "__init__.py").read_text()))


def taken_from(room: Path) -> set[str]:
    """Every name and module that somebody outside imports from a room or from a room in it, or that users may."""
    public = re.findall(r'"(\w+)"', (room / "__init__.py").read_text().partition("__all__")[2])
    return {
        *public,
        *(name for home, user, name in IMPORTS if home.is_relative_to(room) and not user.is_relative_to(room)),
    }


def _imports() -> Iterator[tuple[Path, Path, str]]:
    """Every name that is imported from the house: its room, who imports it, and the name."""
    for part in ("src", "tests", "bench", "demo"):
        for file in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lichen."):
                    home = ROOT.joinpath("src", *str(node.module).split("."))
                    yield from ((home if home.is_dir() else home.parent, file, alias.name) for alias in node.names)


IMPORTS = tuple(_imports())
INNER = [room for room in ROOMS if len(room.relative_to(ROOT / "src/lichen").parts) > 1]


@pytest.mark.req("HOUSE-1.6")
@pytest.mark.parametrize("room", INNER, ids=lambda room: str(room.relative_to(ROOT / "src")))
def test_a_room_within_a_wing_names_what_others_take_from_it(room: Path) -> None:
    says = " ".join((ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").split())
    _, said, others = says.partition("thers take ")
    assert said, "say in `__init__.py`, after what the room answers: Others take `…`."
    named = set(re.findall(r"`(\w+)`", others))
    assert named or others.startswith("nothing")
    assert named <= taken_from(room), "it names something that nobody takes from it"


@pytest.mark.req("HOUSE-1.4")
def test_a_room_that_imports_from_one_above_it_breaks_the_build(tmp_path: Path) -> None:
    result = lint_imports(house(tmp_path, "core/words/ids.py", "from lichen.core.deciders import run"))
    assert result.returncode == 1
    assert "A room of core imports only from rooms below it BROKEN" in result.stdout


@pytest.mark.req("HOUSE-1.4")
def test_every_wing_with_rooms_has_their_order_declared() -> None:
    declared = {
        each["id"] for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    }
    wings = {room.relative_to(ROOT / "src/lichen").parts[0] for room in ROOMS if room != ROOT / "src/lichen"}
    assert {f"rooms-{wing}" for wing in wings - {"testing"}} <= declared


def short_needles(source: str) -> Iterator[str]:
    """Every short word of hexadecimal letters that a test says is not in something."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=ast.Constant(value=str() | bytes() as needle), ops=[ast.NotIn()]):
                text = needle if isinstance(needle, str) else needle.decode("latin-1")
                if re.fullmatch(r"[0-9a-fA-F]{2,6}", text):
                    yield f"{node.lineno}: {text}"
            case _:
                pass


@pytest.mark.req("HOUSE-1.7")
def test_no_test_says_that_a_word_is_missing_which_an_id_or_a_hash_may_hold_by_chance() -> None:
    files = (ROOT / "tests").rglob("*.py")
    found = {
        str(file.relative_to(ROOT)): needles for file in files if (needles := list(short_needles(file.read_text())))
    }
    assert not found, "look for a whole word with re.search, or a longer one"


@pytest.mark.req("HOUSE-1.7")
def test_a_short_word_that_a_hash_may_hold_is_seen() -> None:
    found = short_needles('assert "1042" not in text\nassert b"ada" not in data\nassert "anna" not in text\n')
    assert list(found) == ["1: 1042", "2: ada"]


def impurities(source: str) -> Iterator[str]:
    """Names everything in `source` that could make two calls with the same arguments differ."""
    for node in ast.walk(ast.parse(source)):
        for module in imported(node):
            if not {module, module.partition(".")[0]} & PURE and not f"{module}.".startswith("lichen.core."):
                yield f"import {module}"
        match node:
            case ast.AsyncFunctionDef(body=body) if not all(is_stub(statement) for statement in body):
                yield f"{node.lineno}: async def {node.name}"
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield f"{node.lineno}: {type(node).__name__}"
            case ast.Name(ctx=ast.Load()) | ast.Attribute() if IMPURE.fullmatch(ast.unparse(node)):
                yield f"{node.lineno}: {ast.unparse(node)}"
            case _:
                pass


def is_stub(statement: ast.stmt) -> bool:
    """Whether `statement` is a docstring or `...`: a port is typed in the core and implemented above it."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def imported(node: ast.AST) -> list[str]:
    """The modules that `node` imports."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case ast.ImportFrom():
            return ["."]
        case _:
            return []


@pytest.mark.req("HOUSE-1.2")
@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.relative_to(CORE).as_posix())
def test_the_core_touches_nothing_outside_its_arguments(path: Path) -> None:
    assert list(impurities(path.read_text())) == []


@pytest.mark.req("HOUSE-1.2")
@pytest.mark.parametrize(
    ("source", "pure"),
    [
        ("import msgspec", True),
        ("from lichen.core.words.ids import RunId", True),
        ("from lichen.core import errors", True),
        ("from urllib.parse import quote", True),
        ("def f(state: int) -> int: return state + 1", True),
        ("def f(plan): return plan.now, plan.open", True),
        ("import time", False),
        ("import os.path", False),
        ("from random import random", False),
        ("import urllib.request", False),
        ("from . import errors", False),
        ("from lichen.log import volume", False),
        ("def f():\n    import asyncio", False),
        ("import datetime\ndatetime.datetime.now()", False),
        ("from datetime import datetime\nclock = datetime.utcnow", False),
        ("open('x')", False),
        ("read = open", False),
        ("class Port:\n    async def f(self) -> int:\n        'An int.'\n        ...", True),
        ("async def f(): return 1", False),
        ("from lichen import core", False),
    ],
)
def test_code_that_leaves_the_core_pure_is_told_from_code_that_does_not(source: str, pure: bool) -> None:
    assert (not list(impurities(source))) is pure


@pytest.mark.req("HOUSE-1.3")
def test_importing_lichen_loads_no_library_of_an_outer_wing() -> None:
    assert _loaded("import lichen") & {*OUTER, "pydantic", "msgspec", "asyncio"} == set()


@pytest.mark.req("HOUSE-1.3")
def test_whoever_declares_agents_and_tools_loads_no_engine_log_or_policy_language() -> None:
    loaded = _loaded("from lichen import Agent, Customer, Limits, Money, Runtime, Scope, tool")
    assert loaded & OUTER == set()
    wings = {name.split(".")[1] for name in loaded if name.startswith("lichen.")}
    assert wings == {"agents", "core", "runtime", "tools"}


@pytest.mark.req("HOUSE-1.3")
def test_an_engine_starts_without_what_only_checks_answers() -> None:
    assert _loaded("import lichen.runtime.wiring") & {"jsonschema", "referencing"} == set()


OPENED = """
import asyncio, tempfile
from lichen import Runtime
async def opened():
    with tempfile.TemporaryDirectory() as home:
        async with Runtime.open(home, agents=[]):
            pass
asyncio.run(opened())
"""


PROJECT = """
import asyncio, tempfile
from pathlib import Path
from lichen.runtime import Runtime
from lichen.runtime.project.loading import load
async def opened():
    with tempfile.TemporaryDirectory() as home:
        Path(home, "echo.toml").write_text('name = "shop.echo"\\n[llm]\\nmodel = "echo:"\\n')
        settings = Path(home, "lichen.toml")
        settings.write_text('[lichen]\\nagents = ["echo.toml"]\\nhome = "data"\\n[tenants.acme]\\n')
        async with Runtime.of(load(settings, environ={})):
            pass
asyncio.run(opened())
"""
UNASKED = (
    "markdown_it", "mcp", "redis", "nats", "httpx2", "cryptography.x509", "lichen.tools.cage",
    "lichen.tools.mcp.connection", "lichen.tools.mcp.offered", "lichen.tools.egress.proxy",
    "lichen.runtime.state.on_redis", "lichen.runtime.trials",
    "lichen.runtime.operations.talk.letters", "lichen.runtime.operations.timing", "lichen.runtime.operations.channels",
    "lichen.channels.slack", "lichen.serve",
)  # fmt: skip
"""What only channels, letters, schedules, evals, jails, servers of others and state on Redis need."""


@pytest.mark.req("HOUSE-1.3")
@pytest.mark.parametrize("statement", [OPENED, PROJECT], ids=["of code", "of a project"])
def test_a_runtime_opens_without_what_its_settings_do_not_ask_for(statement: str) -> None:
    loaded = _loaded(statement)
    assert {name for name in loaded if f"{name}.".startswith(tuple(f"{each}." for each in UNASKED))} == set()
    assert "lichen.engine.local" in loaded


@pytest.mark.req("HOUSE-1.3")
def test_a_runtime_opens_without_what_only_flows_rule_tables_channels_and_reviews_need() -> None:
    loaded = _loaded(OPENED)
    assert loaded & {"yaml", "jwt", "lichen.flows.syntax", "lichen.agents.rules", "lichen.runtime.review"} == set()
    assert "lichen.engine.local" in loaded


OUTER = {
    "typer", "rich", "starlette", "uvicorn", "cedarpy", "jinja2", "jsonschema", "yaml", "prometheus_client", "jwt",
    "sqlite3", "cryptography", "nacl",
}  # fmt: skip


def _loaded(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True)
    loaded = {*result.stdout.split()}
    assert "lichen" in loaded
    return loaded
