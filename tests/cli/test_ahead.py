"""The libraries of models are read while a process that will ask them begins, and by no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lichen.agents.providers import makers, remote
from lichen.agents.providers.facts import PROVIDERS
from lichen.cli.here.connection import Connection
from lichen.cli.here.host import hosting
from lichen.cli.here.workspace import Workspace
from tests.cli.projects import Project

SHOP = """
    from lichen import Agent
    from lichen.agents import LLMPlanner, RulePlanner

    support = Agent("shop.support", planner=LLMPlanner(["openai:gpt-5", "mistral:mistral-small-latest"]))
"""
PROGRAM = """
import sys
from lichen.agents.providers.remote import load_ahead

assert "pydantic_ai" not in sys.modules
assert load_ahead(["echo:", "scripted:a.jsonl", "nobody:one"]) is None
load_ahead(["openai:gpt-5", "openai-chat:gpt-5", "echo:"]).join()
assert {"openai", "pydantic_ai.models.openai", "lichen.agents.providers.wire"} <= set(sys.modules)
assert not {"anthropic", "mistralai", "boto3"} & set(sys.modules)
"""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was read ahead."""
    read: list[tuple[str, ...]] = []

    def note(models: Sequence[str]) -> None:
        read.append(tuple(models))

    monkeypatch.setattr(remote, "load_ahead", note)
    return read


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Project(
        tmp_path / "shop", {"lichen.toml": '[lichen]\nagents = ["shop.py:support"]\n[tenants.acme]\n', "shop.py": SHOP}
    )
    return Workspace(tmp_path / "home", made.root / "lichen.toml")


@pytest.mark.req("LIC-24.82")
def test_who_serves_and_who_talks_reads_the_libraries_of_the_projects_models_and_nobody_else_does(
    read: list[tuple[str, ...]], workspace: Workspace
) -> None:
    plain = Connection(workspace)
    plain.own()
    plain.finish()
    assert read == []
    talking = Connection(workspace)
    talking.expect_models()
    assert read == []
    talking.own()
    talking.finish()
    with hosting(Connection(workspace)):
        pass
    assert read == [("openai:gpt-5", "mistral:mistral-small-latest")] * 2


@pytest.mark.req("LIC-24.82")
def test_libraries_are_read_of_the_providers_that_are_named_and_of_no_other() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.req("LIC-24.82")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_read_of_a_provider_is_there(provider: str) -> None:
    assert all(module.startswith("pydantic_ai.") for module in makers.libraries(provider))
    done = [__import__(module) for module in makers.libraries(provider)]
    assert len(done) == 2
