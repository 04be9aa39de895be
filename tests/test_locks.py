"""What running needs is locked apart from what testing needs, and both are one environment."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-model.lock",
    "requirements-docs.lock",
    "bench/requirements.lock",
)
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    """The locked version of each distribution."""
    return dict(PIN.findall((ROOT / lock).read_text()))


def declared(group: str) -> set[str]:
    """What a dependency group of pyproject.toml names."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return {re.split(r"[\[<>=; ]", each, maxsplit=1)[0] for each in groups[group]}


def commands(target: str) -> str:
    """What `make target` would run in a folder where nothing is set up."""
    made = subprocess.run(
        ["make", "--dry-run", "--always-make", "--no-print-directory", target],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return made.stdout


@pytest.mark.req("DOC-2.1")
def test_what_runs_is_installed_without_what_only_tests_and_docs_need() -> None:
    running = pins("requirements.lock")
    assert {"cedarpy", "uvicorn", "typer"} <= set(running)
    assert not running.keys() & (declared("dev") | declared("docs"))


@pytest.mark.req("DOC-2.1")
def test_the_tests_run_with_exactly_the_versions_that_run() -> None:
    running, testing = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: testing.get(name) for name in running} == running


@pytest.mark.req("DOC-2.1")
@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_version_has_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(PIN.findall(text)) > 0
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.req("DOC-2.1")
def test_make_run_installs_only_what_running_needs_and_make_test_the_rest() -> None:
    assert "-r requirements.lock" in commands("run")
    assert "-r requirements-dev.lock" not in commands("run")
    for target in ("test", "check"):
        assert "-r requirements-dev.lock" in commands(target)
