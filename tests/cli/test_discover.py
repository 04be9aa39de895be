"""Servers that other programs have in a project: named with what to add, never started, no value shown."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.cli.projects import SETTINGS, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    ran = tmp_path / "ran"
    hers = {
        "git hub": {"command": "sh", "args": ["-c", f"echo x >> {ran}"], "env": {"GITHUB_TOKEN": "ghp_not_shown"}},
        "known": {"command": "python", "args": ["known.py"]},
        "off": {"command": "x", "disabled": True},
    }
    editor = {"web": {"type": "sse", "url": "https://web.example/sse", "headers": {"X-Key": "shown-never"}}}
    upstream = (
        f'[servers.notes]\ncommand = "sh"\nargs = ["-c", "echo x >> {ran}"]\npublic_key_url = "https://k.example"\n'
    )
    return Project(
        tmp_path,
        {
            "lichen.toml": f'{SETTINGS}\n    [[mcp]]\n    name = "ours"\n    command = ["python", "known.py"]\n',
            ".mcp.json": json.dumps({"mcpServers": hers}),
            ".vscode/mcp.json": json.dumps({"servers": editor}),
            "mcp-config.toml": upstream,
            "mcp.json": "{",
        },
    )


@pytest.mark.req("SYM-59.1")
def test_servers_of_other_programs_are_named_with_the_table_to_add(project: Project) -> None:
    told = project.run("tools", "discover", "--json").data
    assert [(each["file"], each["name"]) for each in told] == [
        (".mcp.json", "git_hub"),
        (".vscode/mcp.json", "web"),
        ("mcp-config.toml", "notes"),
    ]
    found = [tomllib.loads(each["table"])["mcp"][0] for each in told]
    assert found[0]["env"] == {"GITHUB_TOKEN": "secret:git_hub_github_token"}
    assert found[1]["headers"] == {"X-Key": "secret:web_x_key"}
    assert found[1]["transport"] == "sse"
    assert found[2]["command"][0] == "sh"
    shown = project.run("tools", "discover")
    assert "lichen secrets set git_hub_github_token" in shown.out
    assert "mcp.json:1:2" in shown.err
    assert not any(secret in shown.out + json.dumps(told) for secret in ("ghp_not_shown", "shown-never"))
    assert not (project.root / "ran").exists()


@pytest.mark.req("SYM-59.1")
def test_what_is_printed_can_be_added_and_is_not_found_again(project: Project) -> None:
    tables = "\n".join(each["table"] for each in project.run("tools", "discover", "--json").data)
    settings = project.root / "lichen.toml"
    settings.write_text(f"{settings.read_text()}\n{tables}\n")
    assert project.run("tools", "discover", "--json").data == []
    who = ("--tenant", "acme", "--as", "ops")
    assert project.run("secrets", "set", "git_hub_github_token", *who, text="ghp_1").code == 0


@pytest.mark.req("SYM-59.1")
def test_the_doctor_names_them_and_starts_none(project: Project) -> None:
    found = [each for each in project.run("doctor", "--json").data if each["check"] == "servers"]
    assert [(each["state"], each["mend"].partition(",")[0]) for each in found] == [
        ("warning", "Correct the file"),
        ("ok", "lichen tools discover"),
        ("ok", "lichen tools discover"),
        ("ok", "lichen tools discover"),
    ]
    assert not (project.root / "ran").exists()
