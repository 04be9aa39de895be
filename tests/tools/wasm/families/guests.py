"""A guest of each family, of the shape that those in use have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import cbor2

from lichen.core.components.limits import CallLimits
from lichen.core.words.scope import Scope
from lichen.tools.wasm.families.table import spoken
from lichen.tools.wasm.port import Answered, Described, Invocation, TenantContext
from lichen.tools.wasm.running.program import Program, compiled
from lichen.tools.wasm.values.canonical import Case, Err, Ok
from tests.tools.wasm.families.shapes import (
    BYTES,
    Enum,
    Function,
    Given,
    List,
    Option,
    Pair,
    Record,
    Result,
    Variant,
    guest,
)
from tests.tools.wasm.guests import binary

Interfaces = Mapping[str, Mapping[str, Function]]
CONTEXT = TenantContext(Scope("acme", "dev", "sales"), user="p1", trace="t1", correlation="c1", flow="f1", node="n1")
LIMITS = CallLimits(time_s=5, memory_mib=16)
TEXT, MAYBE = "string", Option("string")

TENANT_04 = Record(
    "tenant-ctx",
    {
        "tenant": TEXT, "team": MAYBE, "user": MAYBE, "trace-id": MAYBE, "correlation-id": MAYBE,
        "deadline-unix-ms": Option("u64"), "attempt": "u32", "idempotency-key": MAYBE,
    },
)  # fmt: skip
TENANT_05 = Record(
    "tenant-ctx",
    {
        "env": TEXT, "tenant": TEXT, "tenant-id": TEXT, "team": MAYBE, "team-id": MAYBE, "user": MAYBE,
        "user-id": MAYBE, "trace-id": MAYBE, "i18n-id": MAYBE, "correlation-id": MAYBE,
        "attributes": List(Pair(TEXT, TEXT)), "session-id": MAYBE, "flow-id": MAYBE, "node-id": MAYBE,
        "provider-id": MAYBE, "deadline-ms": Option("s64"), "attempt": "u32", "idempotency-key": MAYBE,
        "impersonation": Option(Record("impersonation", {"actor-id": TEXT, "reason": MAYBE})),
    },
)  # fmt: skip
TENANT_06 = Record(
    "tenant-ctx",
    {
        "tenant-id": TEXT, "team-id": MAYBE, "user-id": MAYBE, "env-id": TEXT, "trace-id": TEXT,
        "correlation-id": TEXT, "deadline-ms": "u64", "attempt": "u32", "idempotency-key": MAYBE, "i18n-id": TEXT,
    },
)  # fmt: skip
EXEC_04 = Record("exec-ctx", {"tenant": TENANT_04, "flow-id": TEXT, "node-id": MAYBE})
EXEC_05 = Record("exec-ctx", {"tenant": TENANT_05, "i18n-id": MAYBE, "flow-id": TEXT, "node-id": MAYBE})
EXECS = {"0.4.0": EXEC_04, "0.5.0": EXEC_05}
ERROR_JSON = Record(
    "node-error",
    {"code": TEXT, "message": TEXT, "retryable": "bool", "backoff-ms": Option("u64"), "details": MAYBE},
)
ERROR_CBOR = Record(
    "node-error",
    {"code": TEXT, "message": TEXT, "retryable": "bool", "backoff-ms": Option("u64"), "details": Option(BYTES)},
)
INVOKED_JSON = Variant("invoke-result", {"ok": TEXT, "err": ERROR_JSON})
EVENT = Variant("stream-event", {"data": TEXT, "progress": "u8", "done": None, "error": TEXT})
ENVELOPE = Record(
    "invocation-envelope",
    {
        "ctx": TENANT_06, "flow-id": TEXT, "step-id": TEXT, "component-id": TEXT, "attempt": "u32",
        "payload-cbor": BYTES, "metadata-cbor": Option(BYTES),
    },
)  # fmt: skip
INVOKED_CBOR = Record("invocation-result", {"ok": "bool", "output-cbor": BYTES, "output-metadata-cbor": Option(BYTES)})
SOURCE = Variant(
    "schema-source", {"cbor-schema-id": TEXT, "inline-cbor": BYTES, "ref-pack-path": TEXT, "ref-uri": TEXT}
)
IO_SCHEMA = Record("io-schema", {"schema": SOURCE, "content-type": TEXT, "schema-version": MAYBE})
OP = Record("op", {"name": TEXT, "summary": MAYBE, "input": IO_SCHEMA, "output": IO_SCHEMA})
DESCRIPTOR = Record(
    "component-descriptor",
    {"name": TEXT, "version": TEXT, "summary": MAYBE, "capabilities": List(TEXT), "ops": List(OP)},
)
RAN = Record("run-result", {"output": BYTES, "new-state": BYTES})
MODE = Enum("mode", ("default", "setup", "upgrade", "remove"))
PACK = Record("pack-inputs", {"manifest-cbor": BYTES, "sbom-json": TEXT, "file-index": List(TEXT)})
DIAGNOSTIC = Record("diagnostic", {"severity": TEXT, "code": TEXT, "message": TEXT, "path": MAYBE, "hint": MAYBE})
HINTS = Record("tool-annotations", {"read-only": Option("bool"), "destructive": Option("bool")})
TOOL = Record(
    "tool",
    {
        "name": TEXT, "title": MAYBE, "description": TEXT, "input-schema": TEXT, "output-schema": MAYBE,
        "annotations": Option(HINTS),
    },
)  # fmt: skip
META = Record("meta-entry", {"key": TEXT, "value": TEXT})
CONTENT = Variant(
    "content",
    {
        "text": Record("text-content", {"text": TEXT}),
        "resource-link": Record("resource-link", {"uri": TEXT, "title": MAYBE, "mime-type": MAYBE}),
    },
)
COMPLETED = Record(
    "tool-result",
    {
        "content": List(CONTENT), "structured-content": MAYBE, "meta": Option(List(META)), "is-error": Option("bool"),
    },
)  # fmt: skip
ELICIT = Record("elicitation-request", {"title": MAYBE, "message": TEXT, "schema": TEXT})
RESPONSE = Variant("response", {"completed": COMPLETED, "elicit": ELICIT})
TOOL_ERROR = Variant(
    "tool-error",
    {"invalid-parameters": TEXT, "execution-error": TEXT, "schema-error": TEXT, "not-found": TEXT},
)
VALUE = Record("value", {"json": TEXT})
MESSAGE = Record("message", {"id": TEXT, "content": TEXT, "sender": TEXT, "timestamp": "u64"})
OUTCOME = Record("outcome", {"success": "bool", "data": MAYBE, "error": MAYBE})
NODE_06 = "greentic:component/node@0.6.0"
ROUTER = "wasix:mcp/router@25.6.18"
CORE = "greentic:provider-schema-core/schema-core-api@1.0.0"
SAYS = Given(("input",))


def node_json(version: str, answer: Any, manifest: str = '{"name":"n","ops":["process"]}') -> Interfaces:
    params = {"ctx": EXECS[version], "op": TEXT, "input": TEXT}
    return {
        f"greentic:component/node@{version}": {
            "get-manifest": Function({}, TEXT, manifest),
            "invoke": Function(params, INVOKED_JSON, answer),
        }
    }


def node_cbor(answer: Any, **others: Function) -> Interfaces:
    params = {"op": TEXT, "envelope": ENVELOPE}
    return {NODE_06: {"invoke": Function(params, Result(INVOKED_CBOR, ERROR_CBOR), answer), **others}}


def invoked(output: Any, *, ok: bool = True, metadata: bytes | None = None) -> Ok:
    said = output if isinstance(output, bytes | Given) else cbor2.dumps(output)
    return Ok({"ok": ok, "output-cbor": said, "output-metadata-cbor": metadata})


def descriptor(version: str, said: bytes, name: str = "component-descriptor") -> Interfaces:
    return {f"greentic:component/{name}@{version}": {"describe": Function({}, BYTES, said)}}


def router(answer: Any, tools: list[Any] | None = None) -> Interfaces:
    echo = {
        "name": "echo", "title": "Echo", "description": "Says it again.",
        "input-schema": '{"type":"object","properties":{"a":{"type":"integer"}}}', "output-schema": None,
        "annotations": {"read-only": True, "destructive": None},
    }  # fmt: skip
    params = {"tool-name": TEXT, "arguments": TEXT}
    return {
        ROUTER: {
            "list-tools": Function({}, List(TOOL), [echo] if tools is None else tools),
            "call-tool": Function(params, Result(RESPONSE, TOOL_ERROR), answer),
        }
    }


def completed(**fields: Any) -> Ok:
    usual: dict[str, Any] = {"content": [], "structured-content": None, "meta": None, "is-error": None}
    return Ok(Case("completed", {**usual, **fields}))


def core(**answers: bytes | Given) -> Interfaces:
    params: dict[str, Mapping[str, Any]] = {
        "validate_config": {"config-json": BYTES},
        "invoke": {"op": TEXT, "input-json": BYTES},
    }
    functions = {name.replace("_", "-"): Function(params.get(name, {}), BYTES, said) for name, said in answers.items()}
    return {CORE: functions}


@cache
def _program(text: str) -> Program:
    return Program(compiled(binary(text)))


def program(interfaces: Interfaces) -> Program:
    return _program(guest(interfaces))


def describe(interfaces: Interfaces) -> Described:
    """What the family of a guest says of it."""
    held = program(interfaces)
    found = spoken(held.exports)
    assert found is not None
    return found.family.describe(held.instance(LIMITS), held.exports)


def ask(interfaces: Interfaces, operation: str, payload: Any = None, **more: Any) -> Answered:
    """What a guest answers, asked by its family."""
    held = program(interfaces)
    found = spoken(held.exports)
    assert found is not None
    asked = Invocation(operation, payload, CONTEXT, **more)
    return found.family.invoke(held.instance(LIMITS), held.exports, asked)


def family(interfaces: Interfaces) -> tuple[str, ...]:
    """The family of a guest, and the others that it is of."""
    found = spoken(program(interfaces).exports)
    return () if found is None else (found.family.name, *found.others)


def reported(code: str = "BUSY", **fields: Any) -> dict[str, Any]:
    return {"code": code, "message": "not now", "retryable": True, "backoff-ms": 250, "details": None, **fields}


def err(**fields: Any) -> Err:
    return Err(reported(**fields))


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
