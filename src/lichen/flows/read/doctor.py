"""What there is to say of a flow file: whether it loads, what it is, what it needs, and what is wrong with it.

The JSON has the fields of `greentic-flow doctor --json`, with the same document and the same hash in them, and more
beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow, Node
from lichen.flows.read.catalog import Catalog, unresolved
from lichen.flows.read.hosting import Needed, hosted
from lichen.flows.read.load import Loaded, decoded, parse, text_of
from lichen.flows.syntax.findings import Finding, FlowInvalid
from lichen.flows.syntax.naming import pack_of
from lichen.flows.syntax.normal import normalised
from lichen.flows.syntax.shape import EXEC
from lichen.flows.walk.compiled import needs


class Diagnosis(msgspec.Struct, frozen=True):
    """One file. `flow` is None when it does not load; `text` is the file's, empty when it is not text,
    `document` what it says.

    A flow that loads has errors only for adapters that a catalogue lacks.
    """

    path: str
    text: str
    flow: Flow | None
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    needs: tuple[Needed, ...] = ()
    document: Any = None
    name: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the flow loads and nothing must be mended."""
        return not self.errors


def diagnose(path: Path, catalog: Catalog | None = None, *, pack: str | None = None) -> Diagnosis:
    """The diagnosis of a file, with `catalog` also of its adapters. `pack` is the one it lies in, else its folder.

    Raises NotFound `flow_missing`.
    """
    return _diagnosed(str(path), lambda: text_of(path), catalog, pack)


def diagnose_bytes(data: bytes, path: str, catalog: Catalog | None = None) -> Diagnosis:
    """The diagnosis of a flow that is in no file; `path` is what findings call it."""
    return _diagnosed(path, lambda: decoded(data, path), catalog, None)


def _diagnosed(path: str, read_text: Callable[[], str], catalog: Catalog | None, pack: str | None) -> Diagnosis:
    text = ""
    try:
        text = read_text()
        loaded: Loaded = parse(text, path)
    except FlowInvalid as error:
        errors = tuple(finding for finding in error.findings if finding.severity == "error")
        warnings = tuple(finding for finding in error.findings if finding.severity == "warning")
        return Diagnosis(path, text, None, errors, warnings)
    flow = loaded.flow
    errors = () if catalog is None else unresolved(flow, catalog)
    if flow.kind == "component-config" or not flow.nodes:
        return Diagnosis(path, text, flow, errors, loaded.warnings, needed(flow), loaded.document)
    name, needs, warnings = hosted(flow, needed(flow), pack_of(path) if pack is None else pack)
    return Diagnosis(path, text, flow, errors, (*loaded.warnings, *warnings), needs, loaded.document, name)


def needed(flow: Flow) -> tuple[Needed, ...]:
    """What the flow's nodes are about; nothing when the flow cannot be walked, which its warnings then say."""
    found: dict[tuple[str, str], list[str]] = {}
    try:
        for need in needs(flow):
            found.setdefault((need.kind, need.name), []).append(need.node.id)
    except Invalid:
        return ()
    return tuple(Needed(kind, name, tuple(nodes)) for (kind, name), nodes in found.items())


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as plain values."""
    flow = diagnosis.flow
    return {
        "ok": diagnosis.is_ok,
        "source_path": diagnosis.path,
        "bundle": None if flow is None else _bundle(flow, diagnosis),
        "hash_blake3": None if flow is None else flow.digest,
        "errors": [_finding(finding) for finding in diagnosis.errors],
        "warnings": [_finding(finding) for finding in diagnosis.warnings],
        "needs": msgspec.to_builtins(diagnosis.needs),
        "hosted_as": diagnosis.name or None,
    }


def _bundle(flow: Flow, diagnosis: Diagnosis) -> dict[str, Any]:
    document = normalised(diagnosis.document)
    return {
        "id": flow.id,
        "kind": document["type"],
        "entry": flow.start,
        "yaml": diagnosis.text,
        "json": document,
        "hash_blake3": flow.digest,
        "nodes": [_node(node) for node in flow.nodes.values()],
    }


def _node(node: Node) -> dict[str, Any]:
    name = node.component.operation if node.component.id == EXEC else node.component.id
    component = {"name": name or EXEC, "version_req": "*"}
    return {"node_id": node.id, "component": component, "schema_id": None}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "message": finding.message,
        "source_path": finding.path,
        "line": finding.line,
        "col": finding.column,
        "json_pointer": finding.pointer,
        "kind": finding.kind,
        "code": finding.code,
        "next_step": finding.next_step,
    }
