"""Packs and components that a project names in a registry: fetched at start, believed as any file, or not."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from pathlib import Path

import pytest

from lichen.cli.here.workspace import Workspace
from lichen.cli.serving.doctor import examined
from lichen.packs.fetching.push import pushed
from lichen.packs.fetching.references import Reference
from lichen.packs.proofs.dsse import attest
from lichen.runtime.project.loading import examine, load
from lichen.settings.packs.registries import RegistryHost
from tests.packs.registries import Store, running
from tests.runtime.test_packs import CLERK, KEY, OPS, OTHER, SCOPE, Desk, opened, told
from tests.tools.wasm.guests import CLERK as CLERK_GUEST
from tests.tools.wasm.guests import binary

REGISTRY = """
    [[packs.registries]]
    host = "{host}"
    insecure = true
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    with running(tmp_path_factory.mktemp("registry")) as store:
        yield store


@pytest.fixture
def desk(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A project whose pack lies in a registry, and whose cache is its own."""
    monkeypatch.setenv("LICHEN_CACHE", str(tmp_path / "cache"))
    desk = Desk(tmp_path, "PINNED")
    settings = tmp_path / "lichen.toml"
    settings.write_text(settings.read_text() + REGISTRY.format(host=store.host).replace("    ", ""))
    desk.ship()
    return desk


def published(desk: Desk, store: Store, repository: str, tag: str = "1") -> Reference:
    """The pack of a folder, pushed as it is now."""
    terms = store.terms(desk.root, said=RegistryHost(store.host, insecure=True))
    data = (desk.root / "desk.gtpack").read_bytes()
    return pushed(terms, Reference(store.host, repository, tag), "pack", data, title="desk.gtpack")


def name(desk: Desk, *entries: str) -> None:
    """Has the project name these packs."""
    file = desk.root / "lichen.toml"
    lines = [f"packs = [{', '.join(entries)}]" if each.startswith("packs =") else each for each in _lines(file)]
    file.write_text("\n".join(lines) + "\n")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


@pytest.mark.req("GRE-40.11")
def test_a_pack_of_a_registry_is_fetched_at_start_and_then_needs_no_network(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with running(tmp_path / "own") as store:
        text = (desk.root / "lichen.toml").read_text()
        (desk.root / "lichen.toml").write_text(
            f"{text}\n[[packs.registries]]\nhost = '{store.host}'\ninsecure = true\n"
        )
        name(desk, f'"{published(desk, store, "acme/desk")}"')
        assert load(desk.root / "lichen.toml", environ={}).packed == ("desk.clerk",)
    project = load(desk.root / "lichen.toml", environ={})
    assert ([agent.name for agent in project.agents], project.warnings) == (["desk.clerk", "shop_desk.welcome"], ())


@pytest.mark.req("GRE-40.12")
def test_a_registry_is_nobodys_word_for_a_pack(desk: Desk, store: Store) -> None:
    for key, code in ((None, "pack_unsigned"), (OTHER, "pack_signer_unknown")):
        desk.ship(key)
        name(desk, f'"{published(desk, store, "acme/stranger")}"')
        told = desk.refused()
        assert (told.code, told.kind) == (code, "denied")
        assert told.message.startswith("It may not be loaded in acme/prod")
    desk.ship()
    pinned = published(desk, store, "acme/other-pin")
    name(desk, f'{{ file = "{pinned}", digest = "sha256:{"0" * 64}" }}')
    assert desk.refused().code == "pack_digest_differs"


@pytest.mark.req("GRE-40.12")
def test_a_statement_beside_the_project_counts_for_a_pack_of_a_registry(desk: Desk, store: Store) -> None:
    desk.ship(None)
    data = (desk.root / "desk.gtpack").read_bytes()
    statement = attest("desk.gtpack", hashlib.sha256(data).hexdigest(), KEY, builder="us", build_type="pack")
    (desk.root / "desk.dsse.json").write_bytes(statement)
    name(desk, f'{{ file = "{published(desk, store, "acme/stated")}", statement = "desk.dsse.json" }}')
    assert load(desk.root / "lichen.toml", environ={}).packed == ("desk.clerk",)
    (desk.root / "desk.dsse.json").write_bytes(statement.replace(b"payload", b"payl0ad"))
    assert desk.refused().code.startswith("pack_")


@pytest.mark.req("GRE-40.12")
def test_a_pack_of_a_registry_that_one_tenant_trusts_is_not_the_others(desk: Desk, store: Store) -> None:
    name(desk, f'"{published(desk, store, "acme/tenants")}"')
    assert load(desk.root / "lichen.toml", environ={}).packed == ("desk.clerk",)
    text = (desk.root / "lichen.toml").read_text().replace('name = "acme"\n', 'name = "acme"\ntenants = ["acme"]\n')
    other = '\n[tenants.other]\nenvironments = ["prod"]\nagent = "desk.clerk"\nactors = []\n'
    (desk.root / "lichen.toml").write_text(text + other)
    told = desk.refused()
    assert (told.code, told.message.startswith("It may not be loaded in other/prod")) == ("pack_signer_unknown", True)


@pytest.mark.req("GRE-40.13")
def test_tags_and_being_offline_are_what_the_settings_say(desk: Desk, store: Store) -> None:
    published(desk, store, "acme/tagged", "stable")
    name(desk, f'"oci://{store.host}/acme/tagged:stable"')
    text = (desk.root / "lichen.toml").read_text()
    (desk.root / "lichen.toml").write_text(f"{text}\n[packs]\ntags = true\n")
    assert load(desk.root / "lichen.toml", environ={}).warnings == ()
    (desk.root / "lichen.toml").write_text(f"{text}\n[packs]\ntags = true\noffline = true\n")
    project = load(desk.root / "lichen.toml", environ={})
    assert [(each.code, each.place) for each in project.warnings] == [
        ("pack_unreachable", f"oci://{store.host}/acme/tagged:stable")
    ]
    name(desk, f'"oci://{store.host}/acme/tagged:never"')
    assert desk.refused().code == "pack_unreachable"


@pytest.mark.req("GRE-40.13")
def test_what_cannot_be_had_is_named_with_its_line_and_the_rest_is_loaded(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = published(desk, store, "acme/there")
    name(desk, f'"{there}"')
    load(desk.root / "lichen.toml", environ={})
    gone = there.pinned("sha256:" + "0" * 64)
    name(desk, f'"{there}"', f'"{gone}"')
    monkeypatch.setenv("GREENTIC_DIST_OFFLINE", "1")
    found = examine(desk.root / "lichen.toml", environ={})
    line = next(number for number, each in enumerate(_lines(desk.root / "lichen.toml"), 1) if "packs =" in each)
    assert [(each.code, each.place) for each in found.errors] == [
        ("pack_unreachable", f"{desk.root / 'lichen.toml'}:{line}: lichen.packs[1]")
    ]
    assert found.project is not None
    assert found.project.packed == ("desk.clerk",)
    findings = examined(Workspace(desk.root / ".lichen", desk.root / "lichen.toml"))
    assert [each.state for each in findings if "pack_unreachable" in each.what] == ["problem"]


@pytest.mark.req("GRE-40.13")
@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("oci://HOST/acme/desk:1", "oci_tag_refused"),
        ("oci://HOST/Acme/desk", "oci_reference_invalid"),
        ("repo://desk:1", "oci_registry_unsaid"),
        ("oci://HOST/none@sha256:" + "0" * 64, "oci_unknown"),
    ],
)
def test_an_entry_that_names_nothing_to_rely_on_is_refused(desk: Desk, store: Store, entry: str, code: str) -> None:
    name(desk, f'"{entry.replace("HOST", store.host)}"')
    told = desk.refused()
    assert (told.code, "lichen.packs[0]" in (told.place or "")) == (code, True)


@pytest.mark.req("GRE-40.14")
async def test_a_reload_follows_a_reference_that_moved_and_keeps_the_old_pack_where_the_new_one_is_none(
    desk: Desk, store: Store
) -> None:
    name(desk, f'"{published(desk, store, "acme/moves")}"')
    async with opened(desk) as runtime:
        assert await told(runtime) == "first"
        before = len(store.asked)
        assert (await runtime.reload(SCOPE, OPS)).agents == ()
        assert len(store.asked) == before
        desk.write(clerk=CLERK.replace("first", "second"))
        desk.ship(OTHER)
        name(desk, f'"{published(desk, store, "acme/moves", "2")}"')
        reloaded = await runtime.reload(SCOPE, OPS)
        assert [each.code for each in reloaded.broken] == ["pack_signer_unknown"]
        assert await told(runtime) == "first"
        desk.ship(KEY)
        name(desk, f'"{published(desk, store, "acme/moves", "3")}"')
        assert "desk.clerk" in (await runtime.reload(SCOPE, OPS)).agents
        assert await told(runtime) == "second"


@pytest.mark.req("GRE-40.15")
def test_a_component_of_a_registry_gives_its_tools(desk: Desk, store: Store) -> None:
    name(desk)
    terms = store.terms(desk.root, said=RegistryHost(store.host, insecure=True))
    made = pushed(terms, Reference(store.host, "acme/clerk", "1"), "component", binary(CLERK_GUEST), title="clerk.wasm")
    text = (desk.root / "lichen.toml").read_text().replace('agent = "desk.clerk"\n', "")
    component = f'\n[[component]]\nname = "far"\nfile = "{made}"\n'
    (desk.root / "lichen.toml").write_text(text + component)
    found = examine(desk.root / "lichen.toml", environ={})
    assert found.project is not None
    assert "far.execute" in [tool.spec.name for tool in found.project.tools]
    (desk.root / "lichen.toml").write_text(text + component.replace(made.digest, "sha256:" + "0" * 64))
    assert examine(desk.root / "lichen.toml", environ={}).errors[0].code == "oci_unknown"


@pytest.mark.req("GRE-40.16")
def test_a_pattern_names_every_pack_of_a_folder(desk: Desk) -> None:
    (desk.root / "packs").mkdir()
    name(desk, '"packs/*.gtpack"')
    assert desk.refused().code == "file_missing"
    (desk.root / "packs" / "one.gtpack").write_bytes((desk.root / "desk.gtpack").read_bytes())
    assert load(desk.root / "lichen.toml", environ={}).packed == ("desk.clerk",)
    (desk.root / "packs" / "two.gtpack").write_bytes(b"{}")
    found = examine(desk.root / "lichen.toml", environ={})
    assert [each.code for each in found.errors] == ["pack_is_json"]
    name(desk, '"../*/desk.gtpack"')
    assert desk.refused().code == "path_outside"
