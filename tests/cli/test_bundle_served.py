"""Bundles and demo files as projects: served, explained and written as a `lichen.toml`, by the real command."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.cli.shop import Shop
from tests.packs.squashing import made, written

ROOT = "bundle_id: shop\nbundle_name: The shop\napp_packs: [packs/desk.gtpack]\nproviders:\n  webchat: {}\n"
TRUSTING = """\
[lichen]
bundle = "shop.gtbundle"

[[packs.trust]]
name = "me"
key = "me.pub.pem"
"""
DEMO = "tenant: acme\nproviders:\n  messaging-webchat: {}\n  messaging-slack: {}\n"


@pytest.fixture
def shop(tmp_path: Path) -> Generator[Shop]:
    """A folder with the bundle of a signed pack, as mksquashfs makes it, and whoever trusts it."""
    shop = Shop(tmp_path)
    shop.root = tmp_path / "here"  # and not the demo shop
    shop.root.mkdir()
    try:
        for words in (
            ("key", "me.pem"),
            ("new", "desk", "--id", "shop.desk"),
            ("build", "desk", "--out", "shop/packs/desk.gtpack", "--key", "me.pem"),
        ):
            done = shop.run("pack", *words)
            assert done.code == 0, done.err
        rules = b"_ = public\n"
        written(shop.root / "shop", {"bundle.yaml": ROOT.encode(), "tenants/acme/tenant.gmap": rules})
        made(shop.root / "shop", shop.root / "shop.gtbundle", "-comp", "xz")
        yield shop
    finally:
        shop.close()


def _served(shop: Shop, *words: str) -> tuple[subprocess.Popen[str], str]:
    process = shop.start("serve", "--port", "0", *words)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[-1]


def _reply(url: str, tenant: str) -> list[str]:
    """What somebody is answered in the web chat of a tenant."""
    with httpx.Client(base_url=f"{url}/v1/messaging/webchat/{tenant}", timeout=20) as client:
        token = client.post("/v3/directline/tokens/generate", json={}).raise_for_status().json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        begun = client.post("/v3/directline/conversations").json()["conversationId"]
        line = f"/v3/directline/conversations/{begun}/activities"
        client.post(line, json={"type": "message", "from": {"id": "ann"}, "text": "hi"}).raise_for_status()
        for _ in range(200):
            found = client.get(line).json()["activities"]
            said = [each["text"] for each in found if each["from"].get("role") == "bot" and each.get("text")]
            if said:
                return said
            time.sleep(0.05)
    raise AssertionError("nobody answers")


@pytest.mark.req("GRE-73.7")
def test_a_bundle_is_served_to_whom_it_is_for_by_who_trusts_it(shop: Shop) -> None:
    (shop.root / "lichen.toml").write_text(TRUSTING)
    process, url = _served(shop)
    assert _reply(url, "acme") == ["Hello from shop.desk!"]
    assert shop.kill(process) != 0
    told = shop.run("config", "explain", "tenants.acme.webchat.env")
    assert told.out.rstrip().endswith("bundle.yaml:5)")


@pytest.mark.req("GRE-71.8")
def test_what_a_bundle_forbids_is_forbidden(shop: Shop) -> None:
    rules = shop.root / "shop/tenants/acme/tenant.gmap"
    ann = '[tenants.acme]\nactors = [{ id = "ann", kind = "customer" }]\n'
    (shop.root / "lichen.toml").write_text(TRUSTING.replace("shop.gtbundle", "shop") + ann)
    for text, code in (("_ = public\n", 0), ("_ = public\nshop.desk/main = forbidden\n", 5), ("_ = forbidden\n", 5)):
        rules.write_text(text)
        asked = shop.run("ask", "hi", "--tenant", "acme", "--as", "ann")
        assert asked.code == code, asked.err
    rules.write_text("_ = maybe\n")
    assert "tenant.gmap:1" in shop.run("doctor").out


@pytest.mark.req("GRE-73.8")
def test_a_bundle_brings_no_trust(shop: Shop) -> None:
    refused = shop.run("serve", "--port", "0", "--bundle", "shop.gtbundle")
    assert refused.code == 5
    assert "pack_" in refused.err
    unpacked = shop.run("serve", "--port", "0", "--bundle", "shop")
    assert unpacked.code == 5
    doctor = shop.run("doctor", LICHEN_BUNDLE="shop.gtbundle")
    assert doctor.code == 1
    assert "not be loaded in acme/local" in doctor.out


@pytest.mark.req("GRE-73.8")
def test_a_bundle_that_is_broken_is_not_unpacked(shop: Shop) -> None:
    data = bytearray((shop.root / "shop.gtbundle").read_bytes())
    data[96:200] = bytes(104)
    (shop.root / "bad.gtbundle").write_bytes(data)
    refused = shop.run("serve", "--port", "0", "--bundle", "bad.gtbundle")
    assert refused.code == 2
    assert "bundle_" in refused.err
    assert not list(shop.home.glob("bundles/*"))
    gone = shop.run("serve", "--port", "0", "--bundle", "gone.gtbundle")
    assert (gone.code, "bundle_missing" in gone.err) == (4, True)


@pytest.mark.req("GRE-71.5")
def test_a_folder_without_a_lichen_toml_is_what_its_demo_file_says(shop: Shop) -> None:
    (shop.root / "greentic.demo.yaml").write_text(DEMO)
    doctor = shop.run("doctor")
    assert doctor.code == 0, doctor.out
    assert "greentic.demo.yaml: tenants acme" in doctor.out
    assert "bundle_provider_unset" in doctor.out
    told = shop.run("config", "explain", "tenants.acme.webchat.env")
    assert told.out.rstrip().endswith("greentic.demo.yaml:3)")
    refused = shop.run("channel", "add", "slack", "--tenant", "acme")
    assert "bundle_unwritten" in refused.err
    (shop.root / "greentic.demo.yaml").write_text("tenant: [acme]\n")
    assert "greentic.demo.yaml:1:1#/tenant" in shop.run("list", "tenants").err


@pytest.mark.req("GRE-71.7")
def test_what_stands_for_a_demo_is_written_as_a_lichen_toml_that_is_the_same(shop: Shop) -> None:
    (shop.root / "greentic.demo.yaml").write_text(DEMO)
    before = shop.run("config", "explain", "--json").data
    done = shop.run("config", "convert")
    assert done.code == 0, done.err
    assert "bundle_provider_unset" in done.out
    text = (shop.root / "lichen.toml").read_text()
    assert '[tenants.acme.webchat]\nenv = "local"  # greentic.demo.yaml:3' in text
    after = shop.run("config", "explain", "--json").data
    assert [(each["key"], each["value"]) for each in after] == [(each["key"], each["value"]) for each in before]
    assert shop.run("config", "convert").code == 3
    assert shop.run("config", "convert", "desk").code == 4
