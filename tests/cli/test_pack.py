"""`lichen pack`, as people type it: from an empty folder to a signed file that is believed or not."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lichen.cli.app import app
from lichen.core.words.errors import LichenError

LICHEN = """
[lichen]
agents = []
[tenants.shop]
environments = ["dev", "prod"]
development = ["dev"]
[[packs.trust]]
name = "acme"
key = "acme.pub.pem"
environments = ["prod"]
"""


class Shell:
    """A folder to type in, in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root

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


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


@pytest.fixture
def built(shell: Shell) -> Shell:
    """A pack that acme signed, in a project that trusts acme in production."""
    (shell.root / "lichen.toml").write_text(LICHEN)
    assert shell.run("new", "desk", "--id", "shop.desk", "--publisher", "Acme").exit_code == 0
    assert shell.run("key", "acme.pem").exit_code == 0
    assert shell.run("build", "desk", "--out", "desk.gtpack", "--key", "acme.pem").exit_code == 0
    return shell


@pytest.mark.req("GRE-30.10")
def test_a_pack_is_begun_built_and_shown(shell: Shell) -> None:
    told = shell.data("new", "desk")
    assert told["files"] == ["flows/main.ygtc", "pack.yaml"]
    made = shell.data("build", "desk")
    again = shell.data("build", "desk")
    assert (made["pack_id"], made["signed"], made["digest"]) == ("desk", False, again["digest"])
    assert json.loads((shell.root / "desk/dist/desk.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    shown = shell.data("inspect", "desk/dist/desk.gtpack")
    assert (shown["flows"], shown["model"], shown["digest"]) == (["main"], "pack-v1", made["digest"])
    assert shell.data("inspect", "desk")["flows"] == ["main"]
    assert "flows/main.ygtc" in shell.run("inspect", "desk").stdout
    assert shell.data("plan", "desk", "--tenant", "shop", "--env", "prod")["tools"] == []
    assert shell.refused("new", "desk").code == "folder_exists"
    assert shell.refused("new", "other", "--id", "../x").code == "pack_source_invalid"
    assert not (shell.root / "other").exists()


@pytest.mark.req("GRE-33.4")
def test_a_key_is_nobody_elses_to_read_and_is_not_written_over(shell: Shell) -> None:
    told = shell.data("key", "k.pem")
    assert stat.S_IMODE((shell.root / "k.pem").stat().st_mode) == 0o600
    assert "BEGIN PRIVATE KEY" in (shell.root / "k.pem").read_text()
    assert "BEGIN PUBLIC KEY" in (shell.root / told["public"]).read_text()
    assert (len(told["key_id"]), len(told["fingerprint"])) == (32, 64)
    assert shell.refused("key", "k.pem").code == "file_exists"


@pytest.mark.req("GRE-35.8")
def test_verify_asks_whom_each_environment_of_the_project_trusts(built: Shell) -> None:
    told = built.data("verify", "desk.gtpack")
    assert {name: each["ok"] for name, each in told["for"].items()} == {"shop/dev": True, "shop/prod": True}
    assert told["for"]["shop/prod"]["signer"] == "acme"
    assert told["for"]["shop/dev"]["warnings"][0]["code"] == "pack_signer_unknown"
    assert built.run("key", "other.pem").exit_code == 0
    assert built.run("sign", "desk.gtpack", "--key", "other.pem").exit_code == 0
    told = built.data("verify", "desk.gtpack", code=5)
    assert {name: each["ok"] for name, each in told["for"].items()} == {"shop/dev": True, "shop/prod": False}
    assert told["for"]["shop/prod"]["errors"][0]["code"] == "pack_signer_unknown"
    assert built.data("verify", "desk.gtpack", "--env", "dev")["ok"]
    assert (
        built.data("verify", "desk.gtpack", "--key", "other.pub.pem")["for"]["these keys"]["signer"] == "other.pub.pem"
    )
    assert built.refused("verify", "desk.gtpack", "--tenant", "none").code == "tenant_unknown"
    assert "pack_signer_unknown" in built.run("verify", "desk.gtpack").stdout


@pytest.mark.req("GRE-34.5")
def test_archive_manifest_statement_and_folder_are_signed(built: Shell) -> None:
    assert built.data("sign", "desk.gtpack", "--key", "acme.pem", "--manifest")["scheme"] == "archive"
    assert built.data("verify", "desk.gtpack", "--env", "prod")["ok"]
    assert built.data("build", "desk", "--out", "plain.gtpack")["signed"] is False
    assert built.data("verify", "plain.gtpack", "--env", "prod", code=5)["for"]["shop/prod"]["errors"][0]["code"] == (
        "pack_unsigned"
    )
    told = built.data("sign", "plain.gtpack", "--key", "acme.pem", "--statement", "plain.dsse.json")
    assert told["scheme"] == "statement"
    found = built.data("verify", "plain.gtpack", "--env", "prod", "--statement", "plain.dsse.json")
    assert found["for"]["shop/prod"]["scheme"] == "statement"
    assert built.data("sign", "desk", "--key", "acme.pem")["file"] == "desk/signatures/source.json"
    assert built.refused("sign", "desk.gtpack", "--key", "acme.pub.pem").code == "pack_key_invalid"


@pytest.mark.req("GRE-32.6")
def test_a_file_that_is_no_pack_is_refused_by_every_command(shell: Shell) -> None:
    (shell.root / "x.gtpack").write_text('{"meta": {}}')
    for words in (("inspect",), ("plan",), ("verify",)):
        assert shell.refused(*words, "x.gtpack").code == "pack_is_json"
    assert shell.refused("inspect", "none.gtpack").code == "file_missing"


@pytest.mark.req("GRE-35.7")
def test_trust_in_a_tenant_that_nobody_declared_is_told_with_its_line(built: Shell) -> None:
    from lichen.settings.reading import read

    text = LICHEN.replace('environments = ["prod"]\n', 'tenants = ["none"]\nenvironments = ["never"]\n')
    (built.root / "lichen.toml").write_text(text)
    errors = read(built.root / "lichen.toml", environ={}).errors
    assert [(each.code, (each.place or "").rpartition(":")[2].strip()) for each in errors] == [
        ("pack_trust_unknown", "packs.trust[0].tenants"),
        ("pack_trust_unknown", "packs.trust[0].environments"),
    ]


@pytest.mark.req("GRE-38.3")
def test_the_doctor_of_packs_ends_with_2_where_something_must_be_mended(built: Shell) -> None:
    assert built.data("doctor", "desk.gtpack") == {"ok": True, "diagnostics": []}
    assert [each["code"] for each in built.data("doctor", "desk")["diagnostics"]] == ["PACK_UNSIGNED"]
    (built.root / "cut.gtpack").write_bytes((built.root / "desk.gtpack").read_bytes()[:-1])
    told = built.data("doctor", "cut.gtpack", code=2)
    assert [(each["severity"], each["code"]) for each in told["diagnostics"]] == [("error", "PACK_CONTAINER_INVALID")]
    assert "pack_truncated" in built.run("doctor", "cut.gtpack").stdout
    assert built.refused("doctor", "none.gtpack").code == "file_missing"
