"""Manifests of both models: read with names for numbers, refused at the pointer, the same bytes again."""

from __future__ import annotations

from typing import Any

import pytest

from lichen.core.words.errors import Invalid
from lichen.packs.building.compiling import source_of
from lichen.packs.container.archive import Archive, opened
from lichen.packs.manifests.cbor import decoded, encoded
from lichen.packs.manifests.extensions import flaws, told
from lichen.packs.manifests.reading import read_manifest
from lichen.packs.manifests.source import read_source
from tests.packs.making import Open, cbor, extension, meta_files, meta_pack, v1_pack, v1_value, zipped


def pack(data: bytes) -> Archive:
    return opened("shop.gtpack", data)


def manifest(value: Any) -> Archive:
    return pack(zipped({"manifest.cbor": cbor(value)}))


@pytest.mark.req("GRE-28.1")
def test_a_pack_of_the_older_model_says_its_flows_and_components() -> None:
    found = read_manifest(pack(meta_pack()))
    assert (found.model, found.pack_id, found.version, found.name) == ("meta", "shop.meta", "1.2.3", "Shop")
    assert [(each.id, each.kind, each.file) for each in found.flows] == [
        ("main", "messaging", "flows/main/flow.ygtc"),
    ]
    assert found.entry_flows == ("main",)
    assert [(each.id, each.file, each.world) for each in found.components] == [
        ("qa.process", "components/qa.process@0.1.0/component.wasm", "greentic:component@0.4.0"),
    ]
    assert encoded(found.document) == meta_files()["manifest.cbor"]


@pytest.mark.req("GRE-29.4")
def test_numbers_of_pack_v1_are_the_names_they_stand_for() -> None:
    found = read_manifest(pack(v1_pack()))
    assert (found.model, found.pack_id, found.kind) == ("pack-v1", "shop.v1", "application")
    assert [each.id for each in found.components] == ["qa"]
    assert [(each.alias, each.pack_id, each.required_capabilities) for each in found.dependencies] == [
        ("mail", "mail", ("greentic.cap.mail",)),
    ]
    assert found.capabilities == ("greentic.cap.mail",)
    graph = found.flows[0].compiled
    assert graph is not None
    assert [(each["id"], each["component"]["id"], each["routing"]) for each in graph["nodes"]] == [
        ("ask", "qa", {"Branch": {"on_status": {"yes": "yes"}, "default": "no"}}),
        ("yes", "emit.response", {"Next": {"node_id": "last"}}),
        ("no", "emit.response", {"Custom": [{"condition": 'in.x == "1"', "to": "last"}, {"out": True}]}),
        ("last", "emit.response", "Reply"),
    ]
    assert found.entry_flows == ("main",)


@pytest.mark.req("GRE-29.4")
def test_an_older_pack_v1_names_itself_in_words() -> None:
    assert read_manifest(manifest(v1_value(pack_id="plain.name"))).pack_id == "plain.name"


@pytest.mark.req("GRE-29.4")
def test_a_pack_v1_without_flows_and_components_is_one() -> None:
    bare = {key: each for key, each in v1_value().items() if key not in ("flows", "components", "extensions")}
    found = read_manifest(manifest(bare))
    assert (found.pack_id, found.flows, found.components, found.extensions) == ("shop.v1", (), (), {})


@pytest.mark.req("GRE-29.5")
def test_a_flow_of_which_only_the_intermediate_form_is_there_is_a_document_again() -> None:
    graph = read_manifest(pack(v1_pack())).flows[0].compiled
    assert graph is not None
    document = source_of(graph)
    assert (document["id"], document["type"], document["start"]) == ("main", "messaging", "ask")
    assert document["nodes"]["ask"] == {
        "qa": {},
        "operation": "process",
        "routing": [{"status": "yes", "to": "yes"}, {"to": "no"}],
    }
    assert document["nodes"]["last"] == {"emit.response": {"text": "Bye."}, "routing": "reply"}
    assert document["nodes"]["yes"]["routing"] == [{"to": "last"}]


@pytest.mark.req("GRE-29.3")
def test_a_manifest_is_the_same_bytes_again_also_with_maps_without_length() -> None:
    inline = Open({"b": 1, "a": Open({"z": 2})})
    raw = cbor(v1_value(extensions={"greentic.http-routes.v1": extension("greentic.http-routes.v1", inline)}))
    found = read_manifest(pack(zipped({"manifest.cbor": raw})))
    assert encoded(found.document) == raw
    assert raw.count(b"\xbf") >= 2


def broken(**more: Any) -> dict[str, Any]:
    return v1_value(**more)


def with_node(**more: Any) -> dict[str, Any]:
    value = v1_value()
    value["flows"][0]["flow"]["nodes"][1] |= more
    return value


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"x": 1}, "pack_manifest_model", ""),
    "an older schema": (broken(schema_version="pack-v0"), "pack_manifest_model", ""),
    "no version": ({k: v for k, v in v1_value().items() if k != "version"}, "pack_manifest_invalid", "/version"),
    "a version of words": (broken(version="new"), "pack_manifest_invalid", "/version"),
    "an id that leads out": (broken(pack_id="../x"), "pack_manifest_invalid", "/pack_id"),
    "a kind of another type": (broken(kind=7), "pack_manifest_invalid", "/kind"),
    "components as a map": (broken(components={"a": 1}), "pack_manifest_invalid", "/components"),
    "a component of no version": (broken(components=[{"id": 2}]), "pack_manifest_invalid", "/components/0/version"),
    "an unknown component": (
        broken(components=[{"id": 9, "version": "1.0.0"}]), "pack_symbol_unknown", "/components/0/id",
    ),
    "an unknown pack": (broken(pack_id=7), "pack_symbol_unknown", "/pack_id"),
    "a negative symbol": (broken(pack_id=-1), "pack_symbol_unknown", "/pack_id"),
    "no symbols": (broken(symbols=None), "pack_symbol_unknown", "/pack_id"),
    "an unknown node": (with_node(id=44), "pack_symbol_unknown", "/flows/0/flow/nodes/1/id"),
    "an unknown target": (
        with_node(routing={"Next": {"node_id": 44}}), "pack_symbol_unknown",
        "/flows/0/flow/nodes/1/routing/Next/node_id",
    ),
    "an unknown branch": (
        with_node(routing={"Branch": {"on_status": {"x": 44}}}), "pack_symbol_unknown",
        "/flows/0/flow/nodes/1/routing/Branch/on_status/x",
    ),
    "an unknown operation": (
        with_node(component={"id": 44}), "pack_symbol_unknown", "/flows/0/flow/nodes/1/component/id",
    ),
    "a node that is a number": (
        broken(flows=[{"id": "a", "kind": "job", "flow": {"id": "a", "kind": "job", "nodes": [1]}}]),
        "pack_manifest_invalid", "/flows/0/flow/nodes/0",
    ),
    "an unknown dependency": (
        broken(dependencies=[{"alias": "x", "pack_id": 44}]), "pack_symbol_unknown", "/dependencies/0/pack_id",
    ),
    "an unknown capability": (broken(capabilities=[{"name": 44}]), "pack_symbol_unknown", "/capabilities/0/name"),
}  # fmt: skip


@pytest.mark.req("GRE-29.6")
@pytest.mark.parametrize("name", WRONG)
def test_a_broken_manifest_is_refused_at_the_pointer(name: str) -> None:
    value, code, pointer = WRONG[name]
    with pytest.raises(Invalid) as error:
        read_manifest(manifest(value))
    assert error.value.code == code
    if pointer:
        assert error.value.place == f"shop.gtpack!/manifest.cbor#{pointer}"


@pytest.mark.req("GRE-28.2")
def test_a_broken_manifest_of_the_older_model_is_refused_at_the_pointer() -> None:
    value = decoded(meta_files()["manifest.cbor"], "m").value
    value["flows"][0]["hash_blake3"] = "short"
    with pytest.raises(Invalid, match=r"manifest\.cbor#/flows/0/hash_blake3"):
        read_manifest(manifest(value))
    with pytest.raises(Invalid, match="pack_manifest_missing"):
        read_manifest(pack(zipped({"a": b""})))
    with pytest.raises(Invalid, match="pack_manifest_model"):
        read_manifest(manifest([1]))


@pytest.mark.req("GRE-37.1")
def test_known_extensions_are_read_as_what_they_are() -> None:
    offer = {"offer_id": "o", "cap_id": "c", "version": "1", "provider": {"component_ref": "qa", "op": "send"}}
    offers = {"schema_version": 1, "offers": [offer]}
    said = {
        "greentic.ext.capabilities.v1": extension("greentic.ext.capabilities.v1", offers),
        "greentic.pack-mode.v1": extension("greentic.pack-mode.v1", {"mode": "dev"}),
    }  # fmt: skip
    found = read_manifest(manifest(v1_value(extensions=said)))
    assert told(found, "greentic.pack-mode.v1").mode == "dev"
    assert told(found, "greentic.ext.capabilities.v1").offers[0].provider.op == "send"
    assert told(found, "greentic.components") is None
    assert not list(flaws(found))


@pytest.mark.req("GRE-37.2")
def test_unknown_and_misfitting_extensions_are_named_with_their_pointer() -> None:
    said = {
        "new/one": extension("greentic.new.v9", {}),
        "greentic.pack-mode.v1": extension("greentic.pack-mode.v1", {"mode": "odd"}),
    }
    found = {(flaw.kind, flaw.pointer) for flaw in flaws(read_manifest(manifest(v1_value(extensions=said))))}
    assert found == {
        ("unknown", "/extensions/new~1one/kind"),
        ("invalid", "/extensions/greentic.pack-mode.v1/inline/mode"),
    }


@pytest.mark.req("GRE-30.2")
def test_a_pack_yaml_is_read_with_the_line_of_what_is_wrong() -> None:
    text = b"pack_id: shop\nversion: 1.0.0\nflows:\n  - file: a.ygtc\n    tags: [x]\n"
    found = read_source(text, "pack.yaml")
    assert (found.pack_id, found.flows[0].file, found.kind) == ("shop", "a.ygtc", "application")
    with pytest.raises(Invalid, match=r"pack_source_invalid at pack.yaml:5:5#/flows/0/tags"):
        read_source(text.replace(b"[x]", b"7"), "pack.yaml")
    with pytest.raises(Invalid, match="#/mistake"):
        read_source(text + b"mistake: 1\n", "pack.yaml")
    with pytest.raises(Invalid, match="yaml_"):
        read_source(b"a: &x [*x]\n", "pack.yaml")
    with pytest.raises(Invalid, match="pack_source_invalid"):
        read_source(b"\xff", "pack.yaml")
