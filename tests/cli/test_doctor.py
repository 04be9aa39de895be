"""What the doctor finds, and what it says to do about it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lichen.cli.here.workspace import Workspace
from lichen.cli.serving import doctor
from lichen.cli.serving.doctor import examined
from tests.cli.shop import DEMO, Shop
from tests.plugins.packages import install, on_path


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    shutil.copytree(DEMO, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
    return Workspace(tmp_path / "home", tmp_path / "shop" / "lichen.toml")


def problems(project: Workspace) -> list[tuple[str, str]]:
    return [(finding.check, finding.mend) for finding in examined(project) if finding.state == "problem"]


@pytest.mark.req("LIC-27.1")
def test_a_project_that_is_well_has_no_problem(project: Workspace) -> None:
    assert problems(project) == []


@pytest.mark.req("LIC-27.2")
def test_a_directory_or_key_that_others_can_open_is_named_with_its_mend(project: Workspace) -> None:
    (project.home / "keys").mkdir(parents=True, mode=0o700)
    project.home.chmod(0o755)
    (project.home / "keys" / "master.key").touch(0o644)
    assert problems(project) == [
        ("home", f"chmod 700 {project.home}"),
        ("keys", f"chmod go-rwx {project.home / 'keys' / 'master.key'}"),
    ]


@pytest.mark.req("LIC-27.2")
def test_policies_that_do_not_load_are_named_with_their_place(project: Workspace) -> None:
    file = project.needed().parent / "policies" / "acme" / "wrong.cedar"
    file.write_text("permit(principal, action resource);")
    found = [finding for finding in examined(project) if finding.state == "problem"]
    assert found[0].check == "policies"
    assert f"{file}:1:" in found[0].what


@pytest.mark.req("LIC-27.2")
def test_an_agent_that_does_not_load_is_named(project: Workspace) -> None:
    project.needed().write_text('[lichen]\nagents = ["shop.py:nobody"]\n[tenants.acme]\n')
    assert [check for check, _ in problems(project)] == ["project"]


@pytest.mark.req("LIC-27.2")
def test_a_full_disk_is_named(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_BYTES_MIN", 1 << 62)
    assert [check for check, _ in problems(project)] == ["disk"]


@pytest.mark.req("LIC-27.2")
def test_a_clock_behind_the_data_is_named(project: Workspace) -> None:
    project.home.mkdir(mode=0o700)
    data = project.home / "lichen.sqlite"
    data.touch()
    os.utime(data, (2**32, 2**32))
    assert problems(project)[0][0] == "clock"


@pytest.mark.req("LIC-27.1")
def test_the_owner_of_the_directory_is_named(hosted: Shop) -> None:
    findings = hosted.run("doctor", "--json").data
    owner = next(finding for finding in findings if finding["check"] == "owner")
    assert owner["what"].endswith("owns the directory and answers")


@pytest.mark.req("LIC-27.1")
def test_the_doctor_ends_with_an_error_when_there_is_a_problem(shop: Shop) -> None:
    shop.home.mkdir(mode=0o755)
    shop.home.chmod(0o755)
    ended = shop.run("doctor")
    assert ended.code == 1
    assert f"chmod 700 {shop.home}" in ended.out


@pytest.mark.req("LIC-47.5")
def test_the_plug_ins_that_a_project_names_are_listed_and_a_broken_one_is_a_problem(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project.needed().parent
    parts = {"doc-good": "doc_good:Good", "doc-bad": "doc_bad:Bad", "doc-idle": "doc_idle:Idle"}
    good = "class Good:\n    def __init__(self, name): self.name = 'doc-good:x'\n    def generate(self): ...\n"
    modules = {"doc_good": good, "doc_bad": "import no_such_library", "doc_idle": "raise OSError"}
    on_path(install(root / "site", "doc-models", "3.1", "lichen.models", parts, modules), monkeypatch)
    project.needed().write_text('[lichen]\nagents = ["a.toml", "b.toml"]\n[tenants.acme]\nagent = "shop.a"\n')
    for name, model in (("a", "doc-good"), ("b", "doc-bad")):
        (root / f"{name}.toml").write_text(f'name = "shop.{name}"\n[llm]\nmodel = "{model}:x"\n')
    found = [finding for finding in examined(project) if finding.check == "plugins"]
    assert [(finding.state, finding.what) for finding in found if finding.state == "ok"] == [
        ("ok", "doc-good (lichen.models) is of doc-models 3.1")
    ]
    (bad,) = (finding for finding in found if finding.state == "problem")
    assert "'doc-bad' of doc-models 3.1" in bad.what
    assert "No module named 'no_such_library'" in bad.what
    assert "doc-models" in bad.mend


SERVER = """
[[mcp]]
name = "books"
command = ["books"]
environments = ["{env}"]
{cage}
"""


def cages(project: Workspace, env: str, cage: str = "") -> list[tuple[str, str]]:
    """What is found of cages, with a server in this environment of the shop."""
    file = project.needed()
    file.write_text(file.read_text() + SERVER.format(env=env, cage=cage))
    return [(found.state, found.what) for found in examined(project) if found.check == "cages"]


@pytest.mark.req("SYM-31.11")
def test_what_shuts_processes_in_is_tried_where_something_wants_it(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((state, what),) = cages(project, "dev", 'cage = "jail"')
    assert (state, what.partition(";")[0]) == ("ok", "bubblewrap works here, for books")
    monkeypatch.setattr("lichen.tools.cage.bubblewrap.program", lambda: None)
    found = [found for found in examined(project) if found.check == "cages"]
    assert [(each.state, "bubblewrap is not installed" in each.what) for each in found] == [("problem", True)]
    assert "pip install '.[cage]'" in found[0].mend


@pytest.mark.req("SYM-31.16")
def test_a_command_of_others_that_nothing_shuts_in_is_named_where_it_counts(project: Workspace) -> None:
    settings = project.needed()
    settings.write_text(settings.read_text().replace('environments = ["dev"]', 'environments = ["dev", "live"]', 1))
    ((state, what),) = cages(project, "live")
    assert (state, "live: the server books may do whatever this user may" in what) == ("warning", True)
    settings.write_text(settings.read_text().replace('environments = ["live"]', 'environments = ["dev"]'))
    assert [found for found in examined(project) if found.check == "cages" and "acme" in found.what] == []
