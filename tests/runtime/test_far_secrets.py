"""Secrets of all four stores in one call: each use is in the log, and no value is anywhere but with the tool."""

from __future__ import annotations

import faulthandler
import logging
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final
from urllib.parse import quote

import pytest

from lichen.core.words.scope import Actor, Operator, Scope
from lichen.runtime import Runtime
from lichen.runtime.project.loading import load
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_key
from tests.cli.projects import Project
from tests.gate import far
from tests.gate.test_vaults import aws_client, aws_put
from tests.serve.asgi import Door

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
KINDS: Final = ("vault", "aws", "azure", "gcp")
VALUES: Final = {kind: f"canary-of-{kind}-51H8abcdefQ==" for kind in KINDS}

SHOP = "from tests.runtime.far_till import clerk\n"


@pytest.fixture
def stocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose secrets lie in four stores, each with its canary."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-test")
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", far.Believed)
    monkeypatch.setattr("socket.getaddrinfo", far.resolve)
    key_vault, cloud = far.KeyVault(), far.Held()
    with (
        far.openbao(tmp_path) as bao,
        far.aws() as moto,
        far.azure(key_vault, tmp_path) as azure,
        far.google(cloud) as google,
    ):
        bao.root.secrets.kv.v2.create_or_update_secret("acme/vault.key", secret={"value": VALUES["vault"]})
        aws_put(aws_client(moto), "acme/aws.key", VALUES["aws"].encode())
        key_vault.give("azure-key", VALUES["azure"].encode())
        cloud.give("projects/acme-dev/secrets/gcp-key", VALUES["gcp"].encode())
        monkeypatch.setenv("VAULT_TOKEN", far.ROOT_TOKEN)
        settings = f"""
            [lichen]
            agents = ["shop.py:clerk"]

            [tenants.acme]

            [tenants.acme.secrets]
            source = "vault:secret/acme"

            [tenants.acme.secrets.names]
            "aws.key" = "aws:acme/aws.key"
            "azure.key" = "azure:corp/azure-key"
            "gcp.key" = "gcp:acme-dev/gcp-key"

            [secrets.vault]
            url = "{bao.url}"

            [secrets.aws]
            url = "{moto}"
            region = "eu-central-1"

            [secrets.azure]
            url = "{azure.url}"
            ca = "{azure.ca}"

            [secrets.gcp]
            url = "{google}"
            """
        yield Project(tmp_path / "project", {"lichen.toml": dedent(settings), "shop.py": SHOP})


def spelled(secret: str) -> list[bytes]:
    """The ways in which somebody could find it."""
    data = secret.encode()
    return [data, b64encode(data).rstrip(b"="), quote(secret, safe="").encode(), data.hex().encode()]


def processes() -> bytes:
    """The environments and command lines of this process and of all that it began."""
    return b"".join(file.read_bytes() for file in Path("/proc").glob("[0-9]*/environ") if _is_ours(file.parent)) + (
        b"".join(file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if _is_ours(file.parent))
    )


def _is_ours(folder: Path) -> bool:
    own = Path("/proc/self").resolve().name
    try:
        parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return False
    return own in (folder.name, parent)


@pytest.mark.req("GRE-67.3", "SYM-95.26")
async def test_a_value_of_any_store_is_with_its_tool_and_nowhere_else_and_each_use_is_in_the_log(
    stocked: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    loaded = load(stocked.root / "lichen.toml", environ={"LICHEN_HOME": str(stocked.home)})
    async with Runtime.of(loaded) as runtime:
        run = await runtime.runs.start(SCOPE, "till.clerk", "pay", OPS)
        answer = await runtime.runs.result(SCOPE, run, OPS)
        assert answer == '{"seen":"0","told":"[secret] [secret] [secret] [secret]"}'
        records = runtime.runs.show(SCOPE, run, OPS).records
        key = await runtime.keys.issue(SCOPE, Actor("operator", "somebody", ("operator",)), OPS)
        door = Door(make_app(runtime, identify=by_key(runtime)), {"authorization": f"Bearer {key}"})
        pages = [await door.get(page) for page in ("secrets", f"runs/{run}", f"runs/{run}/records", "runs")]
        listed = {each["name"]: each for each in pages[0].data}
        around = processes()
        with (tmp_path / "dump").open("wb") as dump:
            faulthandler.dump_traceback(dump, all_threads=True)
    uses = {
        record.control["name"]: str(record.control["version"]) for record in records if record.type == "secret_used"
    }
    assert set(uses) == {f"{kind}.key" for kind in KINDS}
    assert uses["vault.key"].startswith("1-")
    assert uses["gcp.key"].startswith("1-")
    assert len(uses["aws.key"].partition("-")[0]) == len(uses["azure.key"].partition("-")[0]) == 32
    assert {name: each["version"] for name, each in listed.items()} == uses
    told = capfd.readouterr()
    files = b"".join(path.read_bytes() for path in stocked.home.rglob("*") if path.is_file())
    heard = [
        files, (tmp_path / "dump").read_bytes(), around, repr(records).encode(), *(page.body for page in pages),
        told.out.encode(), told.err.encode(), caplog.text.encode(),
    ]  # fmt: skip
    assert b"AKIATEST" in around  # so that what is looked through is what is meant
    for value in VALUES.values():
        for each in spelled(value):
            assert not [text for text in heard if each in text]
