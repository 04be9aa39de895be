"""Paths that lead out of a project's folder: refused, wherever a file names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.agents.files import load_agent
from lichen.core.words.errors import Invalid
from lichen.runtime.project.loading import examine
from lichen.runtime.project.prompts import Prompts

LLM = 'name = "shop.support"\n[llm]\nmodel = "echo:"\n'
RULES = 'name = "shop.child"\n[llm]\nmodel = "echo:"\n'
FLOW = "id: shop.welcome\ntype: messaging\nschema_version: 2\nnodes:\n  a: {text: hi}\n"
API = '[[openapi]]\nname = "shop"\nurl = "https://api.example.com"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project beside which lies what it may not read; `link` leads there."""
    (tmp_path / "away").mkdir()
    texts = {"p.md": "Secret words.", "c.toml": RULES, "f.ygtc": FLOW, "t.clad.toml": "", "a.json": "{}"}
    for name, text in texts.items():
        (tmp_path / "away" / name).write_text(text)
    made = tmp_path / "project"
    (made / "agents").mkdir(parents=True)
    (made / "prompts").mkdir()
    (made / "link").symlink_to(tmp_path / "away")
    (made / "lichen.toml").write_text('[lichen]\nagents = ["agents/a.toml"]\n[tenants.acme]\n')
    return made


ways = pytest.mark.parametrize("way", ["../../away", "{above}/away", "../link"], ids=["above", "absolute", "link"])
named = pytest.mark.parametrize(
    ("text", "line"),
    [
        (LLM + 'prompt = "{}/p.md"\n', 4),
        ('name = "shop.support"\nchildren = [{{file = "{}/c.toml"}}]\n[llm]\nmodel = "echo:"\n', 2),
        ('name = "shop.support"\ntools = ["{}/t.clad.toml"]\n[llm]\nmodel = "echo:"\n', 2),
        ('name = "shop.support"\n[pattern]\nkind = "chain"\nmembers = ["{}/c.toml"]\n', 4),
    ],
    ids=["prompt", "child", "command", "member"],
)


@pytest.mark.req("LIC-23.14")
@ways
@named
def test_what_an_agents_file_names_outside_of_its_project_is_refused_with_its_line(
    home: Path, way: str, text: str, line: int
) -> None:
    path = home / "agents" / "a.toml"
    path.write_text(text.format(way.format(above=home.parent)))
    with pytest.raises(Invalid) as caught:
        load_agent(path)
    assert caught.value.code == "path_outside"
    assert str(caught.value.place).startswith(f"{path}:{line}:")
    assert "Copy the file" in caught.value.next_step
    assert "Secret" not in str(caught.value)


@pytest.mark.req("LIC-23.14")
def test_what_lies_elsewhere_in_the_project_is_read_by_links_too(home: Path) -> None:
    (home / "prompts" / "own.md").write_text("Help.")
    (home / "agents" / "near.md").symlink_to(home / "prompts" / "own.md")
    for name in ("../prompts/own.md", "near.md", str(home / "prompts" / "own.md")):
        (home / "agents" / "a.toml").write_text(f'{LLM}prompt = "{name}"\n')
        assert load_agent(home / "agents" / "a.toml").name == "shop.support"


@pytest.mark.req("LIC-23.14")
def test_a_file_of_no_project_names_what_lies_in_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("Help.")
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.toml"
    path.write_text(LLM + 'prompt = "../p.md"\n')
    with pytest.raises(Invalid) as caught:
        load_agent(path)
    assert caught.value.code == "path_outside"
    assert load_agent(path, root=tmp_path).name == "shop.support"


@pytest.mark.req("LIC-23.14")
@pytest.mark.parametrize("folder", ["../away", "link"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[lichen]\nagents = ["{}/c.toml"]\n', 2),
        ('[lichen]\nagents = []\nflows = ["{}/*.ygtc"]\n', 3),
        ('[lichen]\nagents = []\nprompts = "{}"\n', 3),
        ("[lichen]\nagents = []\n" + API + 'document = "{}/a.json"\n', 6),
    ],
    ids=["agent", "flow", "prompts", "api"],
)
def test_what_a_project_names_outside_of_its_folder_is_refused_with_its_line(
    home: Path, text: str, line: int, folder: str
) -> None:
    (home / "lichen.toml").write_text(text.format(folder) + "[tenants.acme]\n")
    found = [error for error in examine(home / "lichen.toml", environ={}).errors if error.code == "path_outside"]
    assert [str(error.place).startswith(f"{home / 'lichen.toml'}:{line}") for error in found] == [True]


@pytest.mark.req("LIC-23.14")
def test_a_prompt_of_a_project_that_is_a_link_out_of_it_is_refused(home: Path) -> None:
    (home / "prompts" / "support.md").symlink_to(home.parent / "away" / "p.md")
    for root in (home, None):
        with pytest.raises(Invalid) as caught:
            Prompts(home / "prompts", root)
        assert (caught.value.code, caught.value.place) == ("path_outside", str(home / "prompts" / "support.md"))
