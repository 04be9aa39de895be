"""Whose project a command runs: the caller's own, unless they say that they trust somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lichen.cli.here import trust
from lichen.cli.here.workspace import locate
from lichen.core.words.errors import Denied

STRANGER = 65_534


def project(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lichen.toml"
    file.write_text("[lichen]\nagents = []\n[tenants.acme]\n")
    return file


def refused(cwd: Path, environ: dict[str, str] | None = None) -> Denied:
    with pytest.raises(Denied) as caught:
        locate(cwd, environ or {})
    assert caught.value.code == "project_untrusted"
    return caught.value


@pytest.mark.req("SYM-101.15")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["file", "folder", "home", "link"])
def test_a_project_of_somebody_else_is_not_run(tmp_path: Path, what: str) -> None:
    file = project(tmp_path / "theirs")
    below = file.parent / "below"
    below.mkdir()
    assert locate(below, {}).file == file
    home = file.parent / ".lichen"
    home.mkdir()
    given = {"file": file, "folder": file.parent, "home": home, "link": file}[what]
    os.chown(given, STRANGER, STRANGER)
    if what == "link":
        below = tmp_path / "mine"
        below.mkdir()
        (below / "lichen.toml").symlink_to(file)
    error = refused(below)
    assert str(STRANGER) in error.message
    assert locate(below, {"LICHEN_TRUST": f"/nowhere{os.pathsep}{file.parent}"}).file is not None
    step = error.next_step.partition("LICHEN_TRUST=")[2].partition(" ")[0]
    assert locate(below, {"LICHEN_TRUST": step}).file is not None, "what it says to do helps"


@pytest.mark.req("SYM-101.15")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_project_that_everybody_may_write_is_not_run(tmp_path: Path, what: str) -> None:
    file = project(tmp_path / "open")
    (file if what == "file" else file.parent).chmod(0o777)
    assert "everybody may write" in refused(file.parent).message
    assert locate(file.parent, {"LICHEN_TRUST": str(tmp_path)}).file == file


@pytest.mark.req("SYM-101.15")
def test_a_data_directory_leads_to_no_strangers_project(tmp_path: Path) -> None:
    file, here = project(tmp_path / "open"), tmp_path / "here"
    (here / ".lichen").mkdir(parents=True)
    (here / ".lichen" / "project").write_text(f"{file}\n")
    assert locate(here, {}).file == file
    file.parent.chmod(0o777)
    assert "everybody may write" in refused(here).message


@pytest.mark.req("SYM-101.15")
def test_the_search_ends_where_the_file_system_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project(tmp_path)
    mounted = tmp_path / "mounted"
    (mounted / "below").mkdir(parents=True)
    assert trust.nearest(mounted / "below", "lichen.toml") == file
    stat = Path.stat

    def elsewhere(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = stat(path, follow_symlinks=follow_symlinks)
        if mounted not in (path, *path.parents):
            return found
        return os.stat_result([*found[:2], found.st_dev + 1, *found[3:]])

    monkeypatch.setattr(Path, "stat", elsewhere)
    assert trust.nearest(mounted / "below", "lichen.toml") is None


@pytest.mark.req("SYM-101.15")
def test_whoever_became_root_keeps_their_own_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project(tmp_path / "mine")
    owner = file.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 0 if owner else 12_345)
    if owner:
        refused(file.parent)
    assert locate(file.parent, {"SUDO_UID": str(owner)}).file == file
