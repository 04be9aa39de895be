"""Where a command works."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.cli.demo.stage import fresh_home
from lichen.cli.here.entrance import entrance
from lichen.cli.here.workspace import Workspace, locate
from lichen.core.words.errors import Invalid, NotFound, Unavailable
from tests.cli import projects


def project(root: Path, text: str = "[lichen]\n") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "lichen.toml").write_text(text)
    return root / "lichen.toml"


def test_the_nearest_file_above_is_the_project_and_says_where_data_lies(tmp_path: Path) -> None:
    file = project(tmp_path / "shop", '[lichen]\nhome = "../data"\n')
    deep = tmp_path / "shop" / "a" / "b"
    deep.mkdir(parents=True)
    assert locate(deep, {}) == Workspace(tmp_path / "data", file)


def test_data_lies_beside_the_file_unless_something_else_is_said(tmp_path: Path) -> None:
    file = project(tmp_path)
    assert locate(tmp_path, {}) == Workspace(tmp_path / ".lichen", file)
    assert locate(tmp_path, {"LICHEN_HOME": "elsewhere"}) == Workspace(tmp_path / "elsewhere", file)


def test_data_remembers_its_project(tmp_path: Path) -> None:
    file = project(tmp_path / "shop")
    home = tmp_path / "data"
    home.mkdir()
    Workspace(home, file).remember()
    assert locate(tmp_path, {"LICHEN_HOME": str(home)}) == Workspace(home, file)
    file.unlink()
    assert locate(tmp_path, {"LICHEN_HOME": str(home)}).file is None


def test_the_repository_has_the_demo_as_its_project(tmp_path: Path) -> None:
    file = project(tmp_path / "demo")
    assert locate(tmp_path, {}).file is None
    (tmp_path / "src" / "lichen").mkdir(parents=True)
    assert locate(tmp_path, {}) == Workspace(tmp_path / ".lichen", file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = project(tmp_path, "[lichen\n")
    with pytest.raises(Invalid) as raised:
        locate(tmp_path, {})
    assert (raised.value.code, raised.value.place) == ("settings_invalid", str(file))


def test_what_needs_a_project_says_so_without_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as raised:
        locate(tmp_path, {}).needed()
    assert raised.value.code == "project_unknown"


@pytest.mark.req("SYM-101.5")
@pytest.mark.parametrize(("code", "line"), [("x = 1\ndef (", 2), ("x = 1\n\nraise ValueError('boom')", 3)])
def test_agents_whose_code_fails_are_named_with_the_line_that_does(tmp_path: Path, code: str, line: int) -> None:
    file = project(tmp_path, '[lichen]\nagents = ["shop.py:agent"]\n[tenants.acme]\n')
    (tmp_path / "shop.py").write_text(code)
    with pytest.raises(Invalid) as raised:
        Workspace(tmp_path / "home", file).load()
    assert (raised.value.code, raised.value.place) == ("agents_invalid", f"{tmp_path / 'shop.py'}:{line}")


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable) as raised, entrance(tmp_path / "file" / "home"):
        pass
    assert raised.value.code == "home_unusable"


@pytest.mark.req("SYM-101.7")
def test_a_data_directory_is_entered_by_one_at_a_time(tmp_path: Path) -> None:
    with entrance(tmp_path), pytest.raises(Unavailable) as raised, entrance(tmp_path):
        pass
    assert raised.value.code == "data_dir_in_use"
    with entrance(tmp_path):
        pass


def test_a_story_never_plays_over_another_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert fresh_home(home) == home
    home.mkdir()
    assert fresh_home(home) == home
    (home / "lichen.sqlite").touch()
    assert fresh_home(home) == home / "story-2"
    (home / "story-2").mkdir()
    assert fresh_home(home) == home / "story-3"


@pytest.mark.req("LIC-33.4")
def test_where_a_project_has_one_tenant_nobody_has_to_name_it(tmp_path: Path) -> None:
    shop = projects.Project(tmp_path)
    said = shop.run("run", "shop.support", "Where is order 1042?", "--as", "customer-7")
    assert (said.code, said.out.strip()) == (0, "Order 1042 is on its way.")
    (run,) = shop.run("runs", "list", "--json").data
    assert run["who"] == "customer-7"
    assert shop.run("reload", "--as", "ops").code == 0
