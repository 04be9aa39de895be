"""`lichen config explain`: what each setting is, and who says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lichen.core.words.errors import Invalid
from lichen.settings.origins.origins import Origin, origins
from tests.cli.projects import Project

TEXT = """\
[lichen]
agents = ["shop.py:support"]

[serve]
connections = 7

[tenants.acme]
development = ["dev"]

[[tenants.acme.routes]]
channel = "webchat"
agent = "shop.support"
"""


def _found(folder: Path, text: str = TEXT, *, option: str = "", **environ: str) -> dict[str, Origin]:
    path = folder / "lichen.toml"
    path.write_text(text)
    return {each.key: each for each in origins(path, environ=environ, option=option)}


@pytest.mark.req("GRE-70.1")
def test_a_setting_of_the_file_is_named_with_its_line_and_any_other_as_a_default(tmp_path: Path) -> None:
    found, file = _found(tmp_path), tmp_path / "lichen.toml"
    assert found["serve.connections"] == Origin("serve.connections", 7, "file", f"{file}:5")
    assert found["serve.sockets"] == Origin("serve.sockets", 4_000, "default")
    assert found["lichen.agents"] == Origin("lichen.agents", ["shop.py:support"], "file", f"{file}:2")
    assert found["tenants.acme.development"] == Origin("tenants.acme.development", ["dev"], "file", f"{file}:8")
    assert found["tenants.acme.environments"] == Origin("tenants.acme.environments", ["dev"], "default")
    assert found["tenants.acme.routes[0].channel"].place == f"{file}:11"


@pytest.mark.req("GRE-70.1")
def test_the_data_directory_is_what_the_option_says_else_the_variable_else_the_file(tmp_path: Path) -> None:
    key, said = "lichen.home", TEXT.replace("[serve]", 'home = "data"\n\n[serve]', 1)
    assert _found(tmp_path)[key] == Origin(key, ".lichen", "default")
    assert _found(tmp_path, said)[key] == Origin(key, "data", "file", f"{tmp_path / 'lichen.toml'}:4")
    assert _found(tmp_path, said, LICHEN_HOME="/a")[key] == Origin(key, "/a", "variable", "LICHEN_HOME")
    assert _found(tmp_path, said, LICHEN_HOME="/a", option="/b")[key] == Origin(key, "/b", "option", "--home")


@pytest.mark.req("GRE-70.2")
def test_a_table_is_explained_with_everything_below_it(tmp_path: Path) -> None:
    project = Project(tmp_path, {})
    told = project.run("config", "explain", "serve.mcp", "--json")
    assert told.code == 0, told.err
    assert {each["key"] for each in json.loads(told.out)} == {
        "serve.mcp.hosts",
        "serve.mcp.allow",
        "serve.mcp.deny",
        "serve.mcp.on_request",
        "serve.mcp.symbi_tools",
    }
    assert "serve.mcp.symbi_tools = true  (default)" in project.run("config", "explain", "serve").out
    assert "lichen.toml:2)" in project.run("config", "explain", "lichen.agents").out


@pytest.mark.req("GRE-70.2")
def test_what_is_no_setting_is_named(tmp_path: Path) -> None:
    ended = Project(tmp_path, {}).run("config", "explain", "serve.nothing", "--json")
    assert (ended.code, json.loads(ended.err)["error"]["code"]) == (4, "setting_unknown")


@pytest.mark.req("GRE-70.3")
def test_what_may_be_a_secret_is_not_shown(tmp_path: Path) -> None:
    hidden = """
        [tenants.acme.secrets.names]
        api_key = "hunter-two"

        [tenants.acme.slack]
        bot_token = "hunter-two"
        mode = "socket"

        [models.openai]
        base_url = "https://ann:hunter-two@models.example/v1"
        key = "hunter-two"

        [[mcp]]
        name = "books"
        url = "https://ann:hunter-two@books.example/mcp"
    """
    found = _found(tmp_path, TEXT + hidden)
    assert "hunter-two" not in str(found)
    assert found["mcp[0].url"].value == "https://***@books.example/mcp"
    assert found["models.openai.base_url"].value == "https://***@models.example/v1"
    assert found["tenants.acme.secrets.names.api_key"].place.endswith("lichen.toml:15")
    assert found["tenants.acme.slack.bot_token"].value == found["tenants.acme.secrets.names.api_key"].value
    assert found["tenants.acme.slack.mode"].value == "socket"


@pytest.mark.req("GRE-70.4")
def test_a_file_with_a_mistake_is_not_explained(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="connections") as error:
        _found(tmp_path, TEXT.replace("= 7", '= "seven"'))
    assert (error.value.code, str(error.value.place).split(": ")[0]) == (
        "settings_invalid",
        f"{tmp_path / 'lichen.toml'}:5",
    )
