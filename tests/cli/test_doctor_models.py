"""What the doctor says of models: installed, configured, and whether they answer."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from lichen.agents.lanes.file import MeetingFile
from lichen.agents.lanes.meeting import Told
from lichen.agents.lanes.window import Way, cut
from lichen.agents.providers import facts
from lichen.cli.here.workspace import Workspace
from lichen.cli.serving.doctor import Finding, examined
from tests.agents.wire import mistral
from tests.agents.wire.relay import Relay, serving
from tests.cli.projects import Project

KEY = "sk-never-shown-by-a-doctor"
SHOP = """
    from lichen import Agent
    from lichen.agents import LLMPlanner

    support = Agent("shop.support", planner=LLMPlanner("{model}"))
"""


@pytest.fixture
def api() -> Generator[Relay]:
    with serving(mistral.app()) as url, Relay(url).serving() as relay:
        yield relay


def project(folder: Path, model: str, more: str = "") -> Workspace:
    settings = f'[lichen]\nagents = ["shop.py:support"]\n[tenants.acme]\n{more}'
    made = Project(folder / "shop", {"lichen.toml": settings, "shop.py": SHOP.format(model=model)})
    return Workspace(folder / "home", made.root / "lichen.toml")


def found(workspace: Workspace, *, asks: bool = False) -> list[Finding]:
    every = [each for each in examined(workspace, asks=asks) if each.check == "models"]
    assert KEY not in repr(every)
    return every


@pytest.mark.req("LIC-27.7")
def test_the_doctor_says_which_providers_are_installed_and_where_a_key_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_CLAUDE", KEY)
    table = '[models.anthropic]\nkey = "env:ACME_CLAUDE"'
    installed, keyed = found(project(tmp_path, "anthropic:claude-haiku-4-5", table))
    assert installed.state == keyed.state == "ok"
    assert "anthropic" in installed.what
    assert keyed.what == "acme/dev: anthropic has its key from env:ACME_CLAUDE"


@pytest.mark.req("LIC-27.7")
@pytest.mark.parametrize(
    ("model", "table", "mend"),
    [
        ("anthropic:claude-haiku-4-5", "", "export ANTHROPIC_API_KEY=…"),
        ("openai:gpt-5", '[models.openai]\nkey = "env:ACME_OPENAI"', "export ACME_OPENAI=…"),
        (
            "openai:gpt-5",
            '[models.openai]\nkey = "secret:openai.key"',
            "lichen secrets set openai.key --tenant acme --env dev",
        ),
        ("openai-compatible:tiny", "", "export OPENAI_COMPATIBLE_BASE_URL=…"),
    ],
)
def test_the_doctor_says_what_would_configure_a_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, table: str, mend: str
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ACME_OPENAI", "OPENAI_COMPATIBLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    *_, last = found(project(tmp_path, model, table), asks=True)
    assert (last.state, last.mend) == ("problem", mend)


@pytest.mark.req("LIC-27.7")
def test_the_doctor_names_the_extra_of_a_provider_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr(facts, "find_spec", nothing)
    problems = [each for each in examined(project(tmp_path, "mistral:small")) if each.state == "problem"]
    assert "extra `mistral`" in problems[0].mend


@pytest.mark.req("LIC-27.8")
@pytest.mark.parametrize(
    ("fault", "state", "said"), [("none", "ok", "answers in"), ("unauthorized", "problem", "model_auth")]
)
def test_the_doctor_asks_when_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Relay, fault: str, state: str, said: str
) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    table = f'[models.mistral]\nbase_url = "{api.url}/doctor/{fault}"'
    workspace = project(tmp_path, "mistral:mistral-small-latest", table)
    assert [each.state for each in found(workspace)] == ["ok", "ok"]
    assert api.sent["doctor"] == []
    *_, last = found(workspace, asks=True)
    assert last.state == state
    assert said in last.what
    assert len(api.sent["doctor"]) == 1


@pytest.mark.req("GOA-65.24")
def test_the_doctor_names_a_model_that_is_left_alone_and_until_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    workspace = project(tmp_path, "mistral:mistral-small-latest")
    workspace.home.mkdir(mode=0o700)
    now_us = time.time_ns() // 1_000
    for name, asked_s in (("mistral:mistral-small-latest", 250.0), ("openai:gpt-5", 250.0)):
        way, meeting = Way("key-1", name), MeetingFile(workspace.home)
        closed = partial(cut, in_flight=1, begun_us=now_us, now_us=now_us, asked_s=asked_s)
        meeting.exchange(Told("server", now_us, {way: [closed]}, {}))
        meeting.close()
    *_, last = found(workspace)
    assert last.state == "warning"
    assert re.search(r"mistral-small-latest: .* until \d\d:\d\d:\d\d UTC, 2[45]\d s from now", last.what)
    assert not any("gpt-5" in each.what for each in found(workspace))


@pytest.mark.req("GOA-65.22")
@pytest.mark.parametrize("by", ["table", "variable"])
def test_the_doctor_names_an_address_that_refuses_and_where_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with socket.socket() as nobody:  # bound and not listening: whoever connects is refused
        nobody.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://{where}/v1")
        table = f'[models.openai]\nbase_url = "http://{where}/v1"' if by == "table" else ""
        *_, last = found(project(tmp_path, "openai:gpt-5", table), asks=True)
    assert f"{where} refused the connection" in last.what
    mend = "`base_url` under [models.openai] in lichen.toml" if by == "table" else "export OPENAI_BASE_URL=…"
    assert (last.state, last.mend) == ("problem", mend)


@pytest.mark.req("GOA-62.37")
def test_the_doctor_says_that_only_a_role_of_the_machine_is_left_for_bedrock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    workspace = project(tmp_path, "bedrock:us.amazon.nova-lite-v1:0")
    *_, left = found(workspace)
    assert (left.state, "the role of this machine, if it has one" in left.what) == ("warning", True)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    *_, left = found(workspace)
    assert left.state == "problem"
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(f"[default]\naws_access_key_id=AKIA\naws_secret_access_key={KEY}\n")
    *_, left = found(workspace)
    assert left.state == "ok"
    assert left.what.endswith("by the profile default of ~/.aws/credentials (keys)")
