"""Sources of secrets that installed packages add, imported when a secret is wanted from them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Operator, Scope
from lichen.runtime import Runtime
from lichen.runtime.project.loading import examine, load
from tests.cli.projects import Project
from tests.plugins.packages import install, on_path

FAR = """
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import NotFound


class Vault:
    def __init__(self, source):
        self.path, self.is_exact = source.detail, source.is_exact

    async def get(self, scope, name):
        if name == "not.there":
            raise NotFound("It is not there.", code="secret_unknown")
        return Secret(f"{self.path} {self.is_exact} {scope.tenant} {name}", "9")


def broken(source):
    raise RuntimeError("no such server")
"""
SETTINGS = """
    [lichen]
    agents = ["shop.py:support"]

    [tenants.acme]

    [tenants.acme.secrets]
    source = "far:kv/acme"
    names = { "mail.key" = "far:kv/mail#key", "bad.key" = "farbroken:x", "own.key" = "sealed" }
"""
SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    parts = {"far": "far_vault:Vault", "farbroken": "far_vault:broken"}
    on_path(install(tmp_path / "site", "far-vault", "1.0", "lichen.secrets", parts, {"far_vault": FAR}), monkeypatch)
    monkeypatch.delitem(sys.modules, "far_vault", raising=False)
    return Project(tmp_path / "project", {"lichen.toml": SETTINGS})


@pytest.mark.req("GRE-66.8")
async def test_a_package_adds_a_source_without_a_line_of_ours(project: Project) -> None:
    loaded = load(project.root / "lichen.toml", environ={"LICHEN_HOME": str(project.home)})
    async with Runtime.of(loaded) as runtime:
        assert "far_vault" not in sys.modules
        secrets = runtime._wiring.secrets  # pyright: ignore[reportPrivateUsage] - what its tools are handed
        assert (await secrets.get(SCOPE, "payments.key")).reveal() == "kv/acme False acme payments.key"
        assert (await secrets.get(SCOPE, "mail.key")).reveal() == "kv/mail#key True acme mail.key"
        views = {view.name: view for view in await runtime.secrets.list(SCOPE, OPS)}
    assert views["mail.key"].version.startswith("9-")
    assert (views["mail.key"].source, views["mail.key"].code) == ("far:kv/mail#key", "")
    assert (views["bad.key"].version, views["bad.key"].code) == ("", "plugin_broken")  # and the others are as they were
    assert views["own.key"].code == "secret_unknown"


@pytest.mark.req("GRE-66.8")
def test_a_source_whose_package_is_not_installed_is_found_with_its_line(tmp_path: Path) -> None:
    alone = Project(tmp_path, {"lichen.toml": SETTINGS.replace("far:kv/acme", "farther:kv/acme")})
    _, errors = examine(alone.root / "lichen.toml", environ={})
    assert {error.code for error in errors} == {"secret_source_unknown"}
    assert all("lichen.toml:" in (error.place or "") for error in errors)


@pytest.mark.req("GRE-66.8")
async def test_two_packages_that_bring_the_same_source_are_both_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    more = install(tmp_path / "more", "second-vault", "2.0", "lichen.secrets", {"far": "far_vault:Vault"})
    on_path(more, monkeypatch)
    loaded = load(project.root / "lichen.toml", environ={"LICHEN_HOME": str(project.home)})
    async with Runtime.of(loaded) as runtime:
        with pytest.raises(LichenError) as caught:
            await runtime._wiring.secrets.get(SCOPE, "payments.key")  # pyright: ignore[reportPrivateUsage]
    assert caught.value.code == "plugin_ambiguous"
    assert "far-vault 1.0" in caught.value.message
    assert "second-vault 2.0" in caught.value.message
