"""`lichen tools submit`: definitions in a file are put before whoever judges, and `accept` turns them on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.projects import POLICIES, Project
from tests.runtime.test_vouched import TOLD, TOOL

WHO = ("--tenant", "acme", "--as", "ops")
SETTINGS = f"""
    [lichen]
    agents = ["shop.py:support"]

    [tenants.acme]
    policies = "policies"
    actors = [{{id = "ops", kind = "operator", roles = ["operator"]}}]

    [[mcp]]
    name = "books"
    command = ["{sys.executable}", "{TOLD}", "tools.json"]
"""
MANIFEST = """
    [tool]
    name = "whois"
    version = "1.0.0"
    description = "Who has a domain."
    binary = "whois"
    timeout_seconds = 10
    risk_tier = "low"

    [args.domain]
    position = 1
    required = true
    type = "string"
    description = "The domain."

    [command]
    template = "whois {domain}"

    [output]
    format = "text"

    [output.schema]
    type = "object"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {"lichen.toml": SETTINGS, "policies/shop.cedar": POLICIES, "tools.json": json.dumps([TOOL])}
    return Project(tmp_path, {**files, "none.json": "nothing", "whois.clad.toml": MANIFEST})


@pytest.mark.req("SYM-68.9")
def test_a_file_of_definitions_is_submitted_shown_and_accepted(project: Project) -> None:
    told = project.run("tools", "submit", "tools.json", "--server", "books", *WHO)
    assert "books.find waits: lichen tools show books.find" in told.out
    assert "books.find is on." in project.run("tools", "accept", "books.find", *WHO).out
    assert "books.find is on." in project.run("tools", "look", "books", *WHO).out
    again = project.run("tools", "submit", "tools.json", "--server", "books", *WHO, "--json")
    assert [each["status"] for each in json.loads(again.out)] == ["on"]


@pytest.mark.req("SYM-68.9")
def test_a_manifest_of_a_command_is_submitted_as_the_tool_that_it_defines(project: Project) -> None:
    told = project.run("tools", "submit", "whois.clad.toml", "--server", "books", *WHO)
    assert "books.whois waits" in told.out, told
    shown = json.loads(project.run("tools", "show", "books.whois", *WHO, "--json").out)
    assert shown["waiting"]["description"] == "Who has a domain."
    assert list(shown["waiting"]["inputSchema"]["properties"]) == ["domain"]


@pytest.mark.req("SYM-68.9")
def test_what_is_no_definition_is_named_with_its_file(project: Project) -> None:
    ended = project.run("tools", "submit", "none.json", "--server", "books", *WHO)
    assert "definition_invalid" in ended.err
    assert "none.json" in ended.err
