"""A pack of a folder: its flows lowered, its symbols, its lock, its bills of materials, and its container.

Source: Greentic `greentic-pack build` (pack-v1: manifest.cbor, sbom.cbor, pack.lock.cbor, components/, assets/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.words.errors import Conflict, Invalid
from lichen.flows.ir import Flow
from lichen.flows.read.load import decoded as text_of
from lichen.flows.read.load import parse
from lichen.packs.building.compiling import compiled
from lichen.packs.building.cyclonedx import cyclonedx
from lichen.packs.building.folder import Folder
from lichen.packs.container.archive import opened
from lichen.packs.container.writing import packed
from lichen.packs.manifests.cbor import Document, encoded
from lichen.packs.manifests.extensions import CONTENTS
from lichen.packs.manifests.reading import FILE as MANIFEST
from lichen.packs.manifests.reading import manifest_of
from lichen.packs.manifests.source import FILE as SOURCE
from lichen.packs.manifests.source import SourceComponent, SourceFlow
from lichen.packs.manifests.symbols import CAPABILITIES, COMPONENTS, NODES, PACKS
from lichen.packs.manifests.words import Manifest, Operation
from lichen.packs.proofs import lock
from lichen.packs.proofs.sbom import CBOR, sbom_of

MODE: Final = "greentic.pack-mode.v1"
CARRIED: Final = ("agents", "policies", "prompts", "knowledge", "assets")
_STEP: Final = "Correct the path in pack.yaml, or put the file there."
_MINE: Final = ("sbom.cdx.json", MANIFEST, CBOR, lock.FILE)


class Built(NamedTuple):
    """A pack that was built: its bytes, what it holds, its files, and its bill of materials in CycloneDX."""

    data: bytes
    manifest: Manifest
    files: Mapping[str, bytes]
    cyclonedx: bytes


def build(folder: Folder) -> Built:
    """The pack of a folder, unsigned. Raises Invalid (`pack_…`, and what loading its flows raises)."""
    flows = [(each, _flow(folder, each)) for each in _flows(folder)]
    components = _components(folder)
    files = {each.id: folder.files[each.wasm] for each in components}
    contents = _carried(folder, flows)
    manifest = _manifest(folder, flows, components, contents)
    held = {path: folder.files[path] for path in _paths(contents)}
    for each in components:
        held[f"components/{each.id}.wasm"] = files[each.id]
    held[lock.FILE] = lock.lock_of({each.id: _locked(each, files[each.id]) for each in components})
    held[MANIFEST] = encoded(manifest)
    said = manifest_of(manifest, f"{folder.name}!/{MANIFEST}")
    return Built(assembled(said.pack_id, held), said, held, cyclonedx(said, held))


def assembled(name: str, files: Mapping[str, bytes]) -> bytes:
    """A container of these files and their bill of materials, made anew."""
    held = {path: data for path, data in files.items() if path != CBOR}
    return packed(name, {**held, CBOR: sbom_of(held)})


def files_in(name: str, data: bytes) -> dict[str, bytes]:
    """The files of a pack. Raises what opening and reading it does."""
    archive = opened(name, data)
    return {path: archive.read(path) for path in archive}


# -- what goes in ----------------------------------------------------------------------------------------------------


def _flows(folder: Folder) -> tuple[SourceFlow, ...]:
    """The flows that are named, else those in `flows/`."""
    return folder.source.flows or tuple(
        SourceFlow(path) for path in folder.files if path.startswith("flows/") and path.endswith(".ygtc")
    )


def _flow(folder: Folder, said: SourceFlow) -> Flow:
    data = _file(folder, said.file, "flow")
    flow = parse(text_of(data, said.file), said.file).flow
    if said.id is not None and flow.id != said.id:
        message = f"The flow in it is called {flow.id!r}, and pack.yaml calls it {said.id!r}."
        raise Invalid(message, code="pack_flow_mismatch", place=f"{folder.name}/{said.file}", next_step=_STEP)
    return flow


def _components(folder: Folder) -> tuple[SourceComponent, ...]:
    """The components that are named, else those in `components/`."""
    found = folder.source.components or tuple(
        SourceComponent(PurePosixPath(path).stem, path)
        for path in folder.files
        if path.startswith("components/") and path.endswith(".wasm")
    )
    for each in found:
        if not _file(folder, each.wasm, "component").startswith(b"\0asm"):
            message = "It is no WebAssembly."
            raise Invalid(message, code="pack_component_invalid", place=f"{folder.name}/{each.wasm}", next_step=_STEP)
    ids = [each.id for each in found]
    for each in ids:
        if ids.count(each) > 1:
            message = f"Two components are called {each!r}."
            raise Conflict(message, code="pack_component_twice", place=f"{folder.name}/{SOURCE}", next_step=_STEP)
    return found


def _file(folder: Folder, path: str, what: str) -> bytes:
    found = folder.files.get(path)
    if found is None:
        message = f"pack.yaml names a {what} that is not in the folder."
        raise Invalid(message, code="pack_source_file_missing", place=f"{folder.name}/{path}", next_step=_STEP)
    return found


def _carried(folder: Folder, flows: Iterable[tuple[SourceFlow, Flow]]) -> dict[str, Any]:
    """Everything that is carried besides components: sources of flows, and what lies in the folders there are."""
    found: dict[str, Any] = {"flows": {flow.id: said.file for said, flow in flows}}
    for kind in CARRIED:
        found[kind] = [path for path in folder.files if path.startswith(f"{kind}/") and path not in _MINE]
    named = [each.path for each in folder.source.assets]
    for path in named:
        _file(folder, path, "asset")
    found["assets"] = sorted({*found["assets"], *named})
    return {kind: paths for kind, paths in found.items() if paths}


def _paths(contents: Mapping[str, Any]) -> list[str]:
    rest = [path for kind, paths in contents.items() if kind != "flows" for path in paths]
    return [*contents.get("flows", {}).values(), *rest]


# -- the manifest ----------------------------------------------------------------------------------------------------


class _Table:
    """Symbols of one kind: a sorted set of names, of which each has its number."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(set(names))
        self._numbers = {name: i for i, name in enumerate(self.names)}

    def __call__(self, name: str) -> int:
        return self._numbers[name]


def _manifest(
    folder: Folder,
    flows: list[tuple[SourceFlow, Flow]],
    components: tuple[SourceComponent, ...],
    contents: Mapping[str, Any],
) -> Document:
    source = folder.source
    graphs = [compiled(flow) for _, flow in flows]
    nodes = [node for graph in graphs for node in graph["nodes"]]
    required = [name for each in source.dependencies for name in each.required_capabilities]
    tables = {
        COMPONENTS: _Table([*(each.id for each in components), *(node["component"]["id"] for node in nodes)]),
        NODES: _Table(node["id"] for node in nodes),
        CAPABILITIES: _Table([*(each.name for each in source.capabilities), *required]),
        PACKS: _Table([source.pack_id, *(each.pack_id for each in source.dependencies)]),
    }  # fmt: skip
    return Document(
        {
            "schema_version": "pack-v1",
            "pack_id": tables[PACKS](source.pack_id),
            **({"name": source.name} if source.name else {}),
            "version": source.version,
            "kind": source.kind,
            "publisher": source.publisher,
            "symbols": {kind: table.names for kind, table in tables.items()},
            "components": [_component(each, tables) for each in components],
            "flows": [_entry(said, graph, tables) for (said, _), graph in zip(flows, graphs, strict=True)],
            "dependencies": [
                {
                    "alias": each.alias,
                    "pack_id": tables[PACKS](each.pack_id),
                    "version_req": each.version_req,
                    "required_capabilities": [tables[CAPABILITIES](name) for name in each.required_capabilities],
                }
                for each in source.dependencies
            ],
            "capabilities": [
                {"name": tables[CAPABILITIES](each.name), "description": each.description}
                for each in source.capabilities
            ],
            "signatures": {"signatures": []},
            **({"bootstrap": dict(source.bootstrap)} if source.bootstrap else {}),
            "extensions": _extensions(folder, contents),
        }
    )


def _extensions(folder: Folder, contents: Mapping[str, Any]) -> dict[str, Any]:
    own = {
        MODE: {"kind": MODE, "version": "1", "inline": {"mode": "prod"}},
        CONTENTS: {"kind": CONTENTS, "version": "1", "inline": dict(contents)},
    }
    said = {kind: {"kind": kind, **each} for kind, each in folder.source.extensions.items()}
    return dict(sorted({**own, **said}.items()))


def _component(each: SourceComponent, tables: Mapping[str, _Table]) -> dict[str, Any]:
    return {
        "id": tables[COMPONENTS](each.id),
        "version": each.version,
        "supports": list(each.supports),
        "world": each.world,
        "profiles": each.profiles or {"supported": []},
        "capabilities": each.capabilities or {"wasi": {"random": False, "clocks": False}, "host": {}},
        "configurators": each.configurators,
        "operations": msgspec.to_builtins(each.operations),
        "config_schema": each.config_schema,
        "resources": each.resources or {},
        "dev_flows": {},
    }


def _entry(said: SourceFlow, graph: dict[str, Any], tables: Mapping[str, _Table]) -> dict[str, Any]:
    nodes = [
        {
            **node,
            "id": tables[NODES](node["id"]),
            "component": {**node["component"], "id": tables[COMPONENTS](node["component"]["id"])},
            "routing": _numbered(node["routing"], tables[NODES]),
        }
        for node in graph["nodes"]
    ]
    return {
        "id": graph["id"],
        "kind": graph["kind"],
        "flow": {**graph, "nodes": nodes},
        "tags": list(said.tags or graph["metadata"]["tags"]),
        "entrypoints": list(said.entrypoints or graph["entrypoints"]),
    }


def _numbered(routing: Any, nodes: _Table) -> Any:
    match routing:
        case {"Next": {"node_id": str() as to}}:
            return {"Next": {"node_id": nodes(to)}}
        case {"Branch": branch}:
            ways: dict[str, str] = branch["on_status"]
            default: str | None = branch["default"]
            led = {status: nodes(to) for status, to in ways.items()}
            return {"Branch": {"on_status": led, "default": None if default is None else nodes(default)}}
        case _:
            return routing


def _locked(each: SourceComponent, wasm: bytes) -> lock.Locked:
    operations = tuple(Operation(one.name, one.input_schema, one.output_schema) for one in each.operations)
    abi = each.world.rpartition("@")[2] if "@" in each.world else "0.6.0"
    found = lock.locked(each.id, wasm, operations, None, abi=abi, config=each.config_schema)
    return msgspec.structs.replace(found, world=each.world or None, component_version=each.version)
