"""A module that a project's own code lacks: the extra that brings it is named, where one of ours does."""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from lichen.core.words.errors import Invalid
from lichen.runtime.project.loading import examine
from lichen.runtime.project.modules import EXTRAS, loaded

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.req("LIC-23.16")
@pytest.mark.parametrize("module", EXTRAS)
def test_a_missing_module_of_an_extra_names_the_extra(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])  # so that nothing installed is found
    (tmp_path / "own.py").write_text(f"from {module} import Agent\n")
    with pytest.raises(Invalid) as caught:
        loaded(tmp_path / "own.py")
    assert (caught.value.code, caught.value.place) == ("agents_invalid", f"{tmp_path / 'own.py'}:1")
    assert f"pip install '.[{EXTRAS[module]}]'" in caught.value.next_step
    assert "Correct the file" not in caught.value.next_step


@pytest.mark.req("LIC-23.16")
def test_every_extra_that_is_named_is_there_and_brings_its_module() -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    brought = metadata.packages_distributions()
    for module, extra in EXTRAS.items():
        assert any(line.startswith(tuple(brought[module])) for line in extras[extra]), module


@pytest.mark.req("LIC-23.16")
@pytest.mark.parametrize("missing", ["nowhere_at_all", "agents_of_mine", "lichen.nowhere"])
def test_a_missing_module_of_the_project_is_for_its_author_to_correct(missing: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"import {missing}\n")
    (tmp_path / "lichen.toml").write_text('[lichen]\nagents = ["own.py:support"]\n[tenants.acme]\n')
    [error] = examine(tmp_path / "lichen.toml", environ={}).errors
    assert "Correct the file" in error.next_step
    assert "pip install" not in error.next_step
