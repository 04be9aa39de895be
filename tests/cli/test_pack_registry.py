"""`lichen pack` and registries, as people type it: push, pull, pin, plan, the cache."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lichen.cli.app import app
from lichen.core.words.errors import LichenError
from tests.packs.registries import Store, running

LICHEN = """\
# what we have of others
[lichen]
agents = []
packs = [
    "desk.gtpack",             # our own
    "oci://HOST/acme/desk:1",  # theirs
    { file = "oci://HOST/acme/desk:2", policies = false },
]

[tenants.shop]
environments = ["dev"]
development = ["dev"]

[[packs.registries]]
host = "HOST"
insecure = true
"""


class Shell:
    """A project to type in, in this process, with a registry beside it."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store, self.file = root, store, root / "lichen.toml"

    def far(self, name: str) -> str:
        return f"oci://{self.store.host}/{name}"

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["pack", *words])

    def data(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout)

    def refused(self, *words: str) -> LichenError:
        error = self.run(*words).exception
        assert isinstance(error, LichenError)
        return error


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    with running(tmp_path_factory.mktemp("registry")) as store:
        yield store


@pytest.fixture
def shell(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LICHEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "lichen.toml").write_text(LICHEN.replace("HOST", store.host))
    shell = Shell(tmp_path, store)
    assert shell.run("new", "desk").exit_code == 0
    assert shell.run("build", "desk", "--out", "desk.gtpack").exit_code == 0
    return shell


@pytest.mark.req("GRE-40.17")
def test_a_pack_is_pushed_pulled_listed_and_let_go_of(shell: Shell) -> None:
    made = shell.data("push", "desk.gtpack", shell.far("acme/typed:1"))
    assert made["reference"] == f"{shell.far('acme/typed')}@{made['digest']}"
    pulled = shell.data("pull", made["reference"], "--out", "again.gtpack")
    assert (pulled["cached"], pulled["digest"]) == (False, made["digest"])
    assert (shell.root / "again.gtpack").read_bytes() == (shell.root / "desk.gtpack").read_bytes()
    assert shell.data("pull", made["reference"])["cached"]
    assert shell.data("pull", shell.far("acme/typed:1"))["digest"] == made["digest"]
    assert shell.data("pull", made["reference"], "--offline")["cached"]
    listed = shell.data("cache", "list")["entries"]
    assert [(each["digest"], each["reference"]) for each in listed] == [(made["digest"], made["reference"])]
    assert made["digest"] in shell.run("cache", "list").stdout.replace("\n", "")
    assert shell.data("cache", "prune")["removed"] == []
    assert shell.data("cache", "prune", "--to-mib", "0")["removed"] == [made["digest"]]
    assert shell.refused("pull", made["reference"], "--offline").code == "pack_unreachable"


@pytest.mark.req("GRE-40.17")
def test_what_is_no_pack_or_no_reference_is_pushed_and_pulled_nowhere(shell: Shell) -> None:
    (shell.root / "x.gtpack").write_text("{}")
    before = len(shell.store.asked)
    assert shell.refused("push", "x.gtpack", shell.far("acme/x")).code == "pack_is_json"
    assert shell.refused("push", "none.gtpack", shell.far("acme/x")).code == "file_missing"
    assert shell.refused("push", "desk.gtpack", "https://x/y").code == "oci_reference_invalid"
    assert len(shell.store.asked) == before
    assert shell.refused("pull", shell.far("acme/none:1"), "--out", "none.gtpack").code == "oci_unknown"
    assert not (shell.root / "none.gtpack").exists()


@pytest.mark.req("GRE-40.18")
def test_pin_puts_digests_into_the_file_and_leaves_every_other_letter(shell: Shell) -> None:
    first = shell.data("push", "desk.gtpack", shell.far("acme/desk:1"))["digest"]
    shell.data("push", "desk.gtpack", shell.far("acme/desk:2"))
    before = shell.file.read_text()
    planned = shell.data("plan", code=2)["packs"]
    assert [each["state"] for each in planned] == ["file", "refused", "refused"]
    assert planned[1]["error"]["code"] == "oci_tag_refused"
    pinned = shell.data("pin")["pinned"]
    assert [each["to"].rpartition("@")[2] for each in pinned] == [first, first]
    after = shell.file.read_text()
    assert after.replace(f"@{first}", "") == before
    assert shell.data("pin")["pinned"] == []
    planned = shell.data("plan")
    assert [(each["state"], each["digest"]) for each in planned["packs"]] == [
        ("file", None),
        ("to fetch", first),
        ("to fetch", first),
    ]
    assert shell.run("build", "desk", "--out", "desk.gtpack", "--key", _key(shell)).exit_code == 0
    second = shell.data("push", "desk.gtpack", shell.far("acme/desk:1"))["digest"]
    assert shell.data("pin")["pinned"] == []
    moved = shell.data("pin", "--update")["pinned"]
    assert [each["to"].rpartition("@")[2] for each in moved] == [second] != [first]
    packs = tomllib.loads(shell.file.read_text())["lichen"]["packs"]
    assert packs[1:] == [f"{shell.far('acme/desk:1')}@{second}", {"file": f"{shell.far('acme/desk:2')}@{first}",
                                                                  "policies": False}]  # fmt: skip
    assert "theirs" in shell.file.read_text()


def _key(shell: Shell) -> str:
    assert shell.run("key", "acme.pem").exit_code == 0
    return "acme.pem"
