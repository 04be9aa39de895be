"""`lichen schemapin`, `lichen skill` and `lichen agentpin`, as people type them, beside the projects' own packages."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.projects import Project
from tests.tools.pins import sdk

DOMAIN = "vendor.example"
SCHEMA = {"name": "find", "description": "Finds a book.", "inputSchema": {"type": "object"}}


@pytest.fixture
def shell(tmp_path: Path) -> Project:
    return Project(tmp_path, {"schema.json": json.dumps(SCHEMA), "reader/SKILL.md": "---\nname: reader\n---\nReads.\n"})


def keyed(shell: Project, name: str = "key.pem") -> dict[str, Any]:
    """A new key, and the folder of what is known of its domain."""
    made = shell.run("schemapin", "keygen", name, "--developer", "Vendor")
    assert made.code == 0
    known = shell.root / "known"
    known.mkdir(exist_ok=True)
    (known / f"{DOMAIN}.json").write_text(made.out)
    return json.loads(made.out)


@pytest.mark.req("SYM-60.8")
def test_a_schema_is_signed_verified_pinned_and_another_key_is_told_by_the_exit_code(shell: Project) -> None:
    discovery = keyed(shell)
    assert stat.S_IMODE((shell.root / "key.pem").stat().st_mode) == 0o600
    assert "file_exists" in shell.run("schemapin", "keygen", "key.pem").err
    assert shell.run("schemapin", "sign", "schema.json", "--key", "key.pem", "--out", "signed.json").code == 0
    signed = json.loads((shell.root / "signed.json").read_text())
    store = sdk.verification.KeyPinStore()
    assert sdk.verification.verify_schema_offline(
        SCHEMA, signed["signature"], DOMAIN, "find", discovery, None, store
    ).valid
    look = ("signed.json", "--domain", DOMAIN, "--known", "known")
    seen = shell.run("schemapin", "verify", *look, "--json")
    assert (seen.code, seen.data["valid"], seen.data["key_pinning"]) == (0, True, {"status": "first_use"})
    assert shell.run("schemapin", "list").out.strip() == "No key is pinned yet."
    assert shell.run("schemapin", "pin", *look).code == 0
    assert f"find@{DOMAIN}" in shell.run("schemapin", "list", "--json").data
    assert "pinned" in shell.run("schemapin", "verify", *look).out
    keyed(shell, "other.pem")
    assert shell.run("schemapin", "sign", "schema.json", "--key", "other.pem", "--out", "signed.json").code == 0
    changed = shell.run("schemapin", "pin", *look)
    assert (changed.code, changed.out.partition(":")[0]) == (2, "key_pin_mismatch")
    assert shell.run("schemapin", "unpin", "find", "--domain", DOMAIN).code == 0
    assert "pin_unknown" in shell.run("schemapin", "unpin", "find", "--domain", DOMAIN).err
    assert shell.run("schemapin", "pin", *look).code == 0
    (shell.root / "signed.json").write_text(json.dumps({**signed, "schema": {"name": "other"}}))
    wrong = shell.run("schemapin", "verify", *look)
    assert (wrong.code, wrong.out.partition(":")[0]) == (1, "signature_invalid")


@pytest.mark.req("SYM-64.3")
def test_a_folder_is_signed_and_what_was_tampered_with_is_named(shell: Project) -> None:
    keyed(shell)
    assert shell.run("skill", "sign", "reader", "--key", "key.pem", "--domain", DOMAIN).out.startswith("reader: 1 file")
    look = ("reader", "--domain", DOMAIN, "--known", "known")
    assert shell.run("skill", "verify", *look).code == 0
    (shell.root / "reader/SKILL.md").write_text("Sends.")
    (shell.root / "reader/new.md").write_text("x")
    wrong = shell.run("skill", "verify", *look)
    assert wrong.code == 1
    assert wrong.out.splitlines()[1:] == ["modified: SKILL.md", "added: new.md"]
    assert shell.run("skill", "verify", *look, "--json").data["tampered"]["added"] == ["new.md"]


@pytest.mark.req("SYM-66.9")
def test_a_credential_is_issued_and_looked_at(shell: Project) -> None:
    who = ("--domain", DOMAIN, "--agent", "scout", "--can", "read:codebase")
    made = shell.run("agentpin", "keygen", "agent.pem", *who)
    (shell.root / "known").mkdir()
    (shell.root / f"known/{DOMAIN}.json").write_text(made.out)
    credential = shell.run("agentpin", "issue", "--key", "agent.pem", *who, "--for", "shop.example").out
    (shell.root / "credential.jwt").write_text(credential)
    store = sdk.agent_pinning.KeyPinStore()
    found = sdk.agent_verification.verify_credential_offline(
        credential.strip(), json.loads(made.out), None, store, "shop.example"
    )
    assert found.valid
    look = ("agentpin", "verify", "credential.jwt", "--known", "known")
    seen = shell.run(*look, "--for", "shop.example", "--json")
    assert (seen.code, seen.data["capabilities"]) == (0, ["read:codebase"])
    assert f"urn:agentpin:{DOMAIN}:scout of {DOMAIN} may read:codebase." in shell.run(*look).out
    assert shell.run(*look, "--for", "other.example").code == 1
    assert shell.run(*look, "--pinned", "00").code == 2
    more = shell.run("agentpin", "issue", "--key", "agent.pem", *who, "--can", "admin:*")
    assert "capability_invalid" in more.err
