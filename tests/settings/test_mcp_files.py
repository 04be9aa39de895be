"""`.mcp.json` as people have it: servers as if they stood in lichen.toml, told of no variable that nobody named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lichen.core.words.scope import Scope
from lichen.settings.mcpfiles import FILE_BYTES_MAX
from lichen.settings.reading import Read, read

ACME = Scope("acme", "dev")


def project(root: Path, servers: Any, *, said: str = '[".mcp.json"]', key: str = "mcpServers", more: str = "") -> Read:
    (root / ".mcp.json").write_text(servers if isinstance(servers, str) else json.dumps({key: servers}))
    settings = f"[lichen]\nagents = []\nmcp_files = {said}\n[tenants.acme]\n[tenants.globex]\n{more}"
    (root / "lichen.toml").write_text(settings)
    return read(root / "lichen.toml", environ={"TOKEN": "t-1", "EMPTY": "", "HOME": "/root"})


def wrong(root: Path, servers: Any, **said: Any) -> list[tuple[str, str]]:
    """What is wrong, and where: the place without the folder."""
    found = project(root, servers, **said).errors
    return [(error.message, str(error.place).removeprefix(f"{root}/")) for error in found]


@pytest.mark.req("SYM-56.5")
def test_servers_of_a_file_are_had_as_if_they_stood_in_the_settings(tmp_path: Path) -> None:
    servers = {
        "File System": {"command": "npx", "args": ["-y", "files", "${DIR:-/srv}"], "env": {"KEY": "${TOKEN}"}},
        "books": {"type": "http", "url": "https://books.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
        "old": {"type": "sse", "url": "https://old.example/sse", "autoApprove": ["*"]},
        "off": {"command": "x", "disabled": True},
    }
    variables = '[{ file = ".mcp.json", variables = ["TOKEN", "DIR"], tenants = ["acme"] }]'
    found = project(tmp_path, servers, said=variables)
    assert (found.errors, found.settings is not None) == ((), True)
    assert found.settings is not None
    assert found.settings.servers(Scope("globex", "dev")) == {}
    had = found.settings.servers(ACME)
    assert sorted(had) == ["books", "file_system", "old"]
    files = had["file_system"]
    assert (files.command, files.env) == (("npx", "-y", "files", "/srv"), {"KEY": "t-1"})
    assert Path(str(files.cwd)) == tmp_path
    assert (had["books"].url, had["books"].headers) == ("https://books.example/mcp", {"Authorization": "Bearer t-1"})
    assert had["old"].transport == "sse"


@pytest.mark.req("SYM-56.5")
def test_terms_of_a_server_of_a_file_are_ours(tmp_path: Path) -> None:
    said = '[{ file = ".mcp.json", servers.books = { trust = "review", tools.find = { effects = "none" } } }]'
    settings = project(tmp_path, {"books": {"command": "x", "trust": "first_use"}}, said=said).settings
    assert settings is not None
    books = settings.servers(ACME)["books"]
    assert (books.trust, books.terms("find").effects, books.terms("burn").effects) == ("review", "none", "once")


@pytest.mark.req("SYM-56.6")
def test_a_file_reads_no_variable_that_the_settings_do_not_name(tmp_path: Path) -> None:
    servers = {"a/b": {"command": "x", "args": ["${HOME}"], "env": {"K": "${EMPTY:-${HOME}}"}}}
    assert wrong(tmp_path, servers) == [
        ("The file may not read the variable HOME.", ".mcp.json#/mcpServers/a~1b/args/0"),
    ]
    unset = {"a": {"command": "x", "args": ["${NOWHERE}"]}}
    named = '[{ file = ".mcp.json", variables = ["NOWHERE", "EMPTY"] }]'
    assert wrong(tmp_path, unset, said=named) == [
        ("The variable NOWHERE is not set.", ".mcp.json#/mcpServers/a/args/0"),
    ]
    asked = {"a": {"command": "x", "env": {"K": "${input:key}"}}}
    assert wrong(tmp_path, asked, said=named)[0][1] == ".mcp.json#/mcpServers/a/env/K"
    found = project(tmp_path, {"a": {"command": "x", "env": {"K": "${EMPTY:-b}"}}}, said=named)
    assert found.settings is not None
    assert found.settings.servers(ACME)["a"].env == {"K": "b"}


@pytest.mark.req("SYM-56.6")
@pytest.mark.parametrize(
    ("servers", "place"),
    [
        ({"a": {"command": ["x"]}}, ".mcp.json#/mcpServers/a/command"),
        ({"a": {"command": "x", "args": ["y", 1]}}, ".mcp.json#/mcpServers/a/args/1"),
        ({"a": {"command": "x", "type": "carrier-pigeon"}}, ".mcp.json#/mcpServers/a/type"),
        ({"a": {"command": "x", "type": "http"}}, ".mcp.json#/mcpServers/a/type"),
        ({"a": {}}, ".mcp.json#/mcpServers/a"),
        ({"a": {"url": "ftp://x"}}, ".mcp.json#/mcpServers/a"),
        ({"a": {"command": "x", "url": "http://y"}}, ".mcp.json#/mcpServers/a"),
        ({"9": {"command": "x"}}, ".mcp.json#/mcpServers/9"),
        ({"lichen": {"command": "x"}}, ".mcp.json#/mcpServers/lichen"),
        ({"A b": {"command": "x"}, "a.b": {"command": "y"}}, ".mcp.json#/mcpServers/a.b"),
        ('{\n "mcpServers": {,}}', ".mcp.json:2:17"),
        ("[]", ".mcp.json#"),
        ("{}", ".mcp.json#/mcpServers"),
        ("x" * (FILE_BYTES_MAX + 1), ".mcp.json"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_place(tmp_path: Path, servers: Any, place: str) -> None:
    assert place in [at for _, at in wrong(tmp_path, servers)]


@pytest.mark.req("SYM-56.6")
def test_a_file_that_is_not_there_and_a_server_that_the_settings_have_as_well_are_mistakes(tmp_path: Path) -> None:
    assert wrong(tmp_path, {}, said='["nowhere.json"]')[0][1] == "nowhere.json"
    (error,) = project(tmp_path, {"a": {"command": "x"}}, more='[[mcp]]\nname = "a"\ncommand = ["y"]\n').errors
    assert (error.code, "mcp_files" in str(error.place)) == ("server_twice", True)
    said = '[{ file = ".mcp.json", servers.b = { trust = "review" } }]'
    assert "no server 'b'" in wrong(tmp_path, {"a": {"command": "x"}}, said=said)[0][0]


@pytest.mark.req("SYM-56.5")
def test_the_file_of_another_editor_is_read_as_well(tmp_path: Path) -> None:
    settings = project(tmp_path, {"a": {"type": "stdio", "command": "x"}}, key="servers").settings
    assert settings is not None
    assert settings.servers(ACME)["a"].command == ("x",)
