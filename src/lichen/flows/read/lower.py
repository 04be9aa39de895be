"""From a checked document to the flow that is walked: entry, kinds, operations, mappings, routing.

Source: greentic-flow, compile_flow. An operation key becomes an operation of `component.exec`, except for `mcp`, the
built-in kinds below, and everything in schema_version 1, which keep their key as the component. Of the bare key
`component.exec` the operation is that key too, as upstream has it; what it does stands in its payload. Of two operation
keys the one written last counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.flows.ir import Component, Flow, FlowKind, Metadata, Node
from lichen.flows.read.forks import FORKS, check_fork
from lichen.flows.read.legacy import version_of
from lichen.flows.read.lower_routing import check_condition, routing_of
from lichen.flows.syntax import timing
from lichen.flows.syntax.canonical import digest_of
from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report
from lichen.flows.syntax.normal import normalised
from lichen.flows.syntax.shape import EXEC, MCP, Parts, taken_apart
from lichen.flows.syntax.slot_schema import check_questions, slots_of
from lichen.flows.text.reach import fields_of

KINDS: Final[Mapping[str, FlowKind]] = {
    "messaging": "messaging",
    "event": "event",
    "events": "event",
    "component-config": "component-config",
    "job": "job",
    "http": "http",
}

BUILTIN: Final = frozenset(
    ("questions", "template", "operala.call", "sorla.call", "agentic.call", "approval.call", "telco-x.call")
)
"""Operation keys that are components of their own, besides everything that begins with `dw.`."""

QUESTIONS: Final = frozenset(("questions", "slots", "qa.process"))
"""Operation keys whose payload is questions."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9._-]+")
_NAMED_ONLY: Final = ("webhook", "timer", "websocket", "pubsub")
_SAMPLING: Final = ("high", "normal", "low")


def lowered(source: Document, document: Document, report: Report) -> Flow | None:
    """The flow of a document that passed the schema, None when an error was noted.

    `source` is the document as written, which is what the digest is of. `document` has only what is right so far, so
    that everything else that is wrong is found in the same round.
    """
    value = cast(dict[str, Any], document.value)
    kind = _kind(value["type"], document, report) if "type" in value else None
    if "id" in value:
        _check_identifier("flow", value["id"], document, report, "id")
    known = fields_of(source.value.get("nodes"))
    nodes = {id: _node(id, node, known, document, report) for id, node in fields_of(value.get("nodes")).items()}
    start = _start(known, document, report)
    entrypoints = _entrypoints(start, known, document, report)
    slots = slots_of(document, report)
    if kind is None or any(finding.severity == "error" for finding in report.found):
        return None
    start = start if start in nodes else next(iter(nodes), "")
    parameters = cast(dict[str, Any], value.get("parameters") or {})
    extra = {**parameters, "greentic.slot_schema": value["slot_schema"]} if slots else parameters
    return Flow(
        id=value["id"],
        kind=kind,
        start=start,
        entrypoints=entrypoints,
        nodes=nodes,
        metadata=Metadata(value.get("title", ""), value.get("description", ""), tuple(value.get("tags", ())), extra),
        digest=digest_of(normalised(source.value)),
        path=report.path,
        parameters=parameters,
        slots=slots,
        vars_init=value.get("vars_init") or _mapping(parameters.get("vars_init")),
        place=document.at("id"),
        outputs=value.get("outputs") if version_of(document) < 2 else None,
    )


def _kind(found: str, document: Document, report: Report) -> FlowKind | None:
    if found in KINDS:
        return KINDS[found]
    message = f"Flows of type {found!r} are not known."
    step = f"Write one of {', '.join(KINDS)}."
    if found in _NAMED_ONLY:
        message = f"The format names the type {found!r}, but nothing runs it: such a flow never starts."
        step = "Write `type: event` (or http) and start the flow from a timer, webhook or channel route."
    report.error("UnknownFlowType", "flow_type_unknown", message, at=document.at("type"), next_step=step)
    return None


def _start(nodes: Mapping[str, Any], document: Document, report: Report) -> str:
    named = document.value.get("start")
    if named is None:
        ordered = fields_of(document.value.get("nodes"))  # version 1 orders them anew
        return "in" if "in" in nodes else next(iter(ordered), "")
    if named not in nodes:
        message = f"The flow starts at {named!r}, which is not there."
        step = f"Name one of: {', '.join(list(nodes)[:12])}."
        report.error("MissingNode", "start_missing", message, at=document.at("start"), next_step=step)
    return named


def _entrypoints(start: str, nodes: Mapping[str, Any], document: Document, report: Report) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, target in _mapping(document.value.get("entrypoints")).items():
        if isinstance(target, str) and target in nodes:
            found[name] = target
            continue
        if target == {} and version_of(document) < 2:
            continue  # as version 1 writes it
        message = f"The entrypoint {name!r} names no node and is left out."
        at = document.at("entrypoints", name)
        report.warn("MissingNode", "entrypoint_missing", message, at=at, next_step="Name a node of this flow.")
    if start:
        found.setdefault("default", start)
    return found


def _node(node_id: str, node: Mapping[str, Any], nodes: Mapping[str, Any], document: Document, report: Report) -> Node:
    _check_identifier("node", node_id, document, report, "nodes", node_id)
    parts = taken_apart(node)
    rest = parts.rest
    if parts.operation == MCP:
        _check_mcp(node_id, parts.payload, document, report)
    if parts.operation in FORKS:
        check_fork(node_id, parts.operation, parts.payload, nodes, document, report)
    if parts.operation in QUESTIONS:
        check_questions(node_id, parts.operation, parts.payload, document, report)
    _warn_of_keys(node_id, parts, document, report)
    when = timing.when_of(node_id, rest.get("when"), document, report)
    if when is not None:
        check_condition(when, document.at("nodes", node_id, "when"), report)
    return Node(
        id=node_id,
        component=_component(parts, version_of(document)),
        input=rest.get("in_map", {} if parts.payload is None else parts.payload),
        routing=routing_of(node_id, rest.get("routing"), nodes, document, report),
        place=document.at("nodes", node_id),
        output=rest.get("out_map") or rest.get("output") or None,
        errors=rest.get("err_map"),
        retry=timing.retry_of(node_id, rest.get("retry"), document, report),
        timeout_s=timing.timeout_of(node_id, rest.get("timeout"), document, report),
        when=when,
        telemetry=_mapping(rest.get("telemetry")),
        vars_out=_mapping(rest.get("vars_out")),
        redact=tuple(_mapping(rest.get("redaction")).get("fields", ())),
    )


def _component(parts: Parts, version: int) -> Component:
    sibling, alias = parts.rest.get("operation"), parts.rest.get("pack_alias")
    is_builtin = parts.operation in BUILTIN or parts.operation.startswith("dw.")
    if parts.operation == MCP or is_builtin or version < 2:
        return Component(parts.operation, sibling, alias)
    return Component(EXEC, sibling or parts.operation, alias)


def _check_mcp(node_id: str, payload: Any, document: Document, report: Report) -> None:
    known = _mapping(payload)
    wrong = [key for key in ("server", "tool") if not (isinstance(known.get(key), str) and known[key].strip())]
    wrong += ["arguments"] if not isinstance(known.get("arguments", {}), dict) else []
    wrong += ["output"] if not isinstance(known.get("output", ""), str) else []
    for key in wrong:
        wanted = "an object" if key == "arguments" else "a text" if key == "output" else "a text that is not empty"
        message = f"`{key}` of the mcp node {node_id!r} must be {wanted}."
        at = document.at("nodes", node_id, MCP, key)
        step = "Write server, tool, arguments and, if wanted, output."
        report.error("McpConfig", f"mcp_{key}", message, at=at, next_step=step)


def _check_identifier(what: str, found: str, document: Document, report: Report, *steps: str) -> None:
    if not _IDENTIFIER.fullmatch(found):
        message = f"The {what} id {found!r} may hold only ASCII letters, digits, `.`, `_` and `-`."
        step = f"Write {re.sub(r'[^A-Za-z0-9._-]+', '-', found).strip('-') or what!r}."
        report.error("InvalidIdentifier", f"{what}_id", message, at=document.at(*steps), next_step=step)


def _warn_of_keys(node_id: str, parts: Parts, document: Document, report: Report) -> None:
    def warn(code: str, key: str, message: str, step: str) -> None:
        at = document.at("nodes", node_id, key)
        report.warn("Schema", code, f"`{key}` of node {node_id!r} {message}.", at=at, next_step=step)

    if "pack_alias" in parts.rest:
        warn("older_key", "pack_alias", "belongs to an older schema", "Name the component in full.")
    if "conversational" in parts.rest:
        warn("key_not_executed", "conversational", "is not executed", "Wait for the next message with session.wait.")
    sampling = _mapping(parts.rest.get("telemetry")).get("sampling", "normal")
    if sampling not in _SAMPLING:
        warn("sampling_unknown", "telemetry", f"has the sampling {sampling!r}", "Write high, normal or low.")


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
