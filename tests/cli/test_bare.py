"""Data that a program of one's own made, without a project: it can be looked at, and nothing of it is begun."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lichen.cli.here.workspace import Workspace, locate
from tests.cli.shop import LICHEN, Ended

README = Path(__file__).parents[2] / "README.md"
DIES = '''
import asyncio, os, sys
from lichen import Agent, Customer, Runtime, Scope, tool
from lichen.agents import RulePlanner
from lichen.agents.rules.rules import Call, Intent

@tool(name="orders.look", effects="idempotent", runs="loop")
async def look() -> dict[str, str]:
    """Looks."""
    if sys.argv[1] == "die":
        os._exit(7)
    return {"status": "fine"}

looks = Intent("look", phrases=["look"], calls=[Call("orders.look", {})], answer="All is {look.status}.")
planner = RulePlanner(intents=[looks], fallback="What?")
support = Agent("shop.support", planner=planner, tools=[look])

async def main() -> None:
    async with Runtime.open("./data", agents=[support]) as runtime:
        session = await runtime.sessions.open(Scope("acme", "dev"), Customer("customer-7"), key="one")
        print((await (await session.say("look", key="one")).result()).text)

asyncio.run(main())
'''


def run(root: Path, *arguments: str) -> Ended:
    """A command, or a program of this interpreter, in a folder without a project."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, cwd=root, env=environ)
    return Ended(done.returncode, done.stdout, done.stderr)


def look(root: Path, *words: str) -> Ended:
    return run(root, *LICHEN, "--home", "./data", *words)


@pytest.fixture(scope="module")
def fifteen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where somebody ran the lines of the README."""
    root = tmp_path_factory.mktemp("fifteen")
    (lines,) = re.findall(r"```python\n(import asyncio\n.*?)```", README.read_text(), re.DOTALL)
    (root / "lines.py").write_text(lines)
    assert run(root, sys.executable, "lines.py").out == "Order 1042 is on its way.\n"
    return root


@pytest.mark.req("LIC-46.1")
def test_whoever_ran_the_lines_of_the_readme_sees_the_run_with_one_command(fifteen: Path) -> None:
    (found,) = look(fifteen, "runs", "list", "--json").data
    assert (found["agent"], found["result"], found["asked"]) == ("shop.support", "answered", "Where is order 1042?")
    shown = look(fifteen, "runs", "show", found["id"])
    assert "Order 1042 is on its way." in shown.out
    assert "it answered" in look(fifteen, "runs", "explain", found["id"]).out
    assert "verifies" in look(fifteen, "log", "verify").out
    assert f"run:{found['id']}" in look(fifteen, "log", "show").out
    assert {"lichen --home ./data runs list", "lichen --home ./data log verify"} <= set(_named())


def _named() -> list[str]:
    """The commands that the README names."""
    return re.findall(r"`(lichen [^`]+)`", README.read_text())


@pytest.mark.req("LIC-46.2")
@pytest.mark.parametrize(
    "words",
    [
        ("runs", "start", "shop.support", "hello"),
        ("stop", "tenant"),
        ("keys", "create", "ops", "--kind", "operator"),
        ("reload",),
        ("serve",),
        ("run", "--stay"),
        ("list", "agents"),
    ],
)
def test_what_would_change_something_there_says_that_no_project_is_known(fifteen: Path, words: tuple[str, ...]) -> None:
    told = look(fifteen, *words, "--json")
    assert (told.code, told.error) == (4, "project_unknown"), told


@pytest.mark.req("LIC-46.2")
def test_looking_begins_nothing_and_the_program_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text(DIES)
    assert run(tmp_path, sys.executable, "dies.py", "die").code == 7
    before = look(tmp_path, "log", "show", "--json").out
    (found,) = look(tmp_path, "runs", "list", "--json").data
    assert "exec/c1/1" in look(tmp_path, "runs", "explain", found["id"]).out
    after = look(tmp_path, "log", "show", "--json").out
    assert [line for line in after.splitlines() if '"owned"' in line] == []
    assert after.startswith(before)
    assert run(tmp_path, sys.executable, "dies.py", "live").out == "All is fine.\n"


@pytest.mark.req("LIC-46.2")
def test_the_demo_of_a_clone_is_not_the_project_of_data_that_somebody_else_made(tmp_path: Path) -> None:
    (tmp_path / "src" / "lichen").mkdir(parents=True)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "lichen.toml").write_text("[lichen]\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lichen.sqlite").touch()
    found = locate(tmp_path, {"LICHEN_HOME": "data"})
    assert found == Workspace(tmp_path / "data", None)
    assert found.is_bare
