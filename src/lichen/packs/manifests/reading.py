"""A pack's `manifest.cbor` as what it holds: the older model with `meta`, and `pack-v1`, each checked by its types.

Source: Greentic PackBuilder (`meta`, `packVersion` 1) and `greentic-pack build` (`schema_version` "pack-v1").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.packs.container.archive import Archive
from lichen.packs.container.limits import pack_error
from lichen.packs.manifests.cbor import Document, decoded
from lichen.packs.manifests.symbols import resolved
from lichen.packs.manifests.words import (
    Component,
    ComponentId,
    Dependency,
    Digest,
    Extension,
    Flow,
    FlowId,
    Manifest,
    Operation,
    PackId,
    Signed,
    Text,
    Version,
)

T = TypeVar("T")
FILE: Final = "manifest.cbor"
_MANY: Final = msgspec.Meta(max_length=10_000)
_REBUILD: Final = "Build the pack anew, with `lichen pack build`."


def read_manifest(archive: Archive) -> Manifest:
    """What a pack holds.

    Raises Invalid (`pack_manifest_missing`, `pack_manifest_invalid`, `pack_manifest_model`, `pack_symbol_unknown`,
    `cbor_…`), each with the JSON pointer of what is wrong.
    """
    if FILE not in archive:
        message = f"There is no {FILE} in it."
        raise pack_error(archive.name, "", message, code="pack_manifest_missing", next_step=_REBUILD)
    place = f"{archive.name}!/{FILE}"
    return manifest_of(decoded(archive.read(FILE), place), place)


def manifest_of(document: Document, place: str) -> Manifest:
    """What a manifest says. Raises as `read_manifest`."""
    value = document.value
    if not isinstance(value, dict):
        raise _unknown(place)
    table = cast("dict[str, Any]", value)
    if "meta" in table:
        return _from_meta(document, _typed(table, _Meta, place))
    if table.get("schema_version") == "pack-v1":
        return _from_v1(document, _typed(resolved(table, place), _V1, place))
    raise _unknown(place)


def _unknown(place: str) -> Invalid:
    message = 'It is of no known model: it has neither `meta` nor `schema_version` "pack-v1".'
    return Invalid(message, code="pack_manifest_model", place=place, next_step=_REBUILD)


def _typed(value: object, kind: type[T], place: str) -> T:
    """A value as this type. Raises Invalid (`pack_manifest_invalid`) at the pointer of what does not fit."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = misfit(error)
        message, at = f"{found.message}.", f"{place}#{found.pointer}"
        raise Invalid(message, code="pack_manifest_invalid", place=at, next_step=_REBUILD) from None


# -- the older model -------------------------------------------------------------------------------------------------


class _MetaOf(msgspec.Struct, frozen=True):
    pack_id: PackId
    version: Version
    name: Text
    kind: str | None = None
    vendor: Text | None = None
    description: str | None = None
    entry_flows: Annotated[tuple[FlowId, ...], _MANY] = ()
    secret_requirements: tuple[Mapping[str, Any], ...] = ()


class _MetaFlow(msgspec.Struct, frozen=True):
    id: FlowId
    kind: Text
    entry: Text
    file_yaml: Text
    file_json: Text
    hash_blake3: Digest


class _MetaComponent(msgspec.Struct, frozen=True):
    name: ComponentId
    version: Version
    file_wasm: Text
    hash_blake3: Digest
    manifest_file: Text | None = None
    world: Text | None = None
    capabilities: Any = None


class _Meta(msgspec.Struct, frozen=True):
    meta: _MetaOf
    flows: Annotated[tuple[_MetaFlow, ...], _MANY] = ()
    components: Annotated[tuple[_MetaComponent, ...], _MANY] = ()


def _from_meta(document: Document, said: _Meta) -> Manifest:
    meta = said.meta
    return Manifest(
        "meta",
        meta.pack_id,
        meta.version,
        meta.kind or "application",
        document,
        name=meta.name,
        publisher=meta.vendor or "",
        description=meta.description or "",
        flows=tuple(
            Flow(each.id, each.kind, each.file_yaml, hashed=each.file_json, hash=each.hash_blake3)
            for each in said.flows
        ),
        entry_flows=meta.entry_flows,
        components=tuple(
            Component(
                each.name,
                each.version,
                each.file_wasm,
                each.world or "",
                each.manifest_file or "",
                capabilities=each.capabilities,
                hash=each.hash_blake3,
            )
            for each in said.components
        ),
        secrets=meta.secret_requirements,
    )


# -- pack-v1 ---------------------------------------------------------------------------------------------------------


class _Node(msgspec.Struct, frozen=True):
    id: Text
    component: Mapping[str, Any]
    routing: Any = "End"


class _V1Graph(msgspec.Struct, frozen=True):
    id: FlowId
    kind: Text
    nodes: Annotated[tuple[_Node, ...], _MANY]
    schema_version: Text | None = None
    entrypoints: Mapping[str, Any] = {}


class _V1Flow(msgspec.Struct, frozen=True):
    id: FlowId
    kind: Text
    flow: _V1Graph
    tags: tuple[Text, ...] = ()
    entrypoints: tuple[Text, ...] = ()


class _V1Operation(msgspec.Struct, frozen=True):
    name: Text
    input_schema: Any = None
    output_schema: Any = None


class _V1Component(msgspec.Struct, frozen=True):
    id: ComponentId
    version: Version
    world: Text = ""
    supports: tuple[Text, ...] = ()
    operations: Annotated[tuple[_V1Operation, ...], _MANY] = ()
    capabilities: Any = None
    config_schema: Any = None


class _V1Dependency(msgspec.Struct, frozen=True):
    pack_id: PackId
    alias: Text = ""
    version_req: Text = "*"
    required_capabilities: tuple[Text, ...] = ()


class _V1Capability(msgspec.Struct, frozen=True):
    name: Text
    description: str | None = None


class _V1Signatures(msgspec.Struct, frozen=True):
    signatures: Annotated[tuple[Signed, ...], msgspec.Meta(max_length=16)] = ()


class _V1(msgspec.Struct, frozen=True):
    pack_id: PackId
    version: Version
    kind: Text
    publisher: Text
    name: Text | None = None
    components: Annotated[tuple[_V1Component, ...], _MANY] = ()
    flows: Annotated[tuple[_V1Flow, ...], _MANY] = ()
    dependencies: Annotated[tuple[_V1Dependency, ...], _MANY] = ()
    capabilities: Annotated[tuple[_V1Capability, ...], _MANY] = ()
    secret_requirements: tuple[Mapping[str, Any], ...] | None = None
    signatures: _V1Signatures = _V1Signatures()
    extensions: Annotated[Mapping[str, Extension], msgspec.Meta(max_length=256)] | None = None


def _from_v1(document: Document, said: _V1) -> Manifest:
    graphs: Any = resolved(document.value, "").get("flows", ())
    return Manifest(
        "pack-v1",
        said.pack_id,
        said.version,
        said.kind,
        document,
        name=said.name or "",
        publisher=said.publisher,
        flows=tuple(
            Flow(each.id, each.kind, compiled=graph["flow"], entrypoints=each.entrypoints, tags=each.tags)
            for each, graph in zip(said.flows, graphs, strict=True)
        ),
        entry_flows=tuple(each.id for each in said.flows if "default" in (*each.entrypoints, *each.tags)),
        components=tuple(_component(each) for each in said.components),
        dependencies=tuple(
            Dependency(each.alias, each.pack_id, each.version_req, each.required_capabilities)
            for each in said.dependencies
        ),
        capabilities=tuple(each.name for each in said.capabilities),
        extensions=said.extensions or {},
        secrets=said.secret_requirements or (),
        signatures=said.signatures.signatures,
    )


def _component(said: _V1Component) -> Component:
    return Component(
        said.id,
        said.version,
        f"components/{said.id}.wasm",
        said.world,
        f"components/{said.id}.manifest.cbor",
        tuple(Operation(each.name, each.input_schema, each.output_schema) for each in said.operations),
        said.capabilities,
        said.config_schema,
    )
