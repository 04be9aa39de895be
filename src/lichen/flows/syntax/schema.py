"""The JSON Schema of a `.ygtc` document of version 2, and what it says in words.

Source: greentic-flow, embedded schema. Here `timeout` may also be a number and `when` a text, for they are
executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Kind, Report
from lichen.flows.syntax.shape import led
from lichen.flows.text.reach import fields_of

_ANYTHING: Final[Mapping[str, Any]] = {"type": "object"}

ROUTE: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "to": {"type": "string"},
        "out": {"type": "boolean"},
        "reply": {"type": "boolean"},
        "status": {"type": "string"},
        "condition": {"type": "string"},
    },
}

NODE: Final[Mapping[str, Any]] = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "routing": {
            "if": {"type": "string"},
            "then": {"enum": ["out", "reply"]},
            "else": {"type": "array", "items": ROUTE},
        },
        "telemetry": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "span_name": {"type": "string"},
                "attributes": {"type": "object", "additionalProperties": {"type": "string"}},
                "sampling": {"type": "string"},
            },
        },
        "operation": {"type": "string"},
        "pack_alias": {"type": "string"},
        "output": _ANYTHING,
        "retry": _ANYTHING,
        "timeout": {"type": ["object", "number"]},
        "when": {"type": ["object", "string"]},
        "annotations": _ANYTHING,
        "meta": _ANYTHING,
        "redaction": {"type": "object", "properties": {"fields": {"type": "array", "items": {"type": "string"}}}},
        "vars_out": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "patternProperties": {r"^[A-Za-z_][\w.-]*$": {}},
    "additionalProperties": False,
}

SLOT: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["name", "slot_type"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "slot_type": {"enum": ["string", "enum", "number", "date", "boolean"]},
        "pattern": {"type": "string"},
        "required": {"type": "boolean"},
        "enum_values": {"type": "array", "items": {"type": "string"}},
        "default_value": {"type": "string"},
    },
    "allOf": [
        {
            "if": {"required": ["slot_type"], "properties": {"slot_type": {"const": "string"}}},
            "then": {"required": ["pattern"], "properties": {"pattern": {"minLength": 1}}},
        },
        {
            "if": {"required": ["slot_type"], "properties": {"slot_type": {"const": "enum"}}},
            "then": {"required": ["enum_values"], "properties": {"enum_values": {"minItems": 1}}},
        },
    ],
}

SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A flow of nodes that describe themselves (.ygtc, version 2)",
    "type": "object",
    "required": ["id", "type"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "type": {"type": "string"},
        "start": {"type": "string"},
        "parameters": _ANYTHING,
        "meta": _ANYTHING,
        "entrypoints": _ANYTHING,
        "vars_init": _ANYTHING,
        "schema_version": {"type": "integer", "minimum": 1},
        "slot_schema": {"type": "array", "items": SLOT},
        "nodes": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {r"^[a-zA-Z_][\w-]*$": NODE},
        },
    },
}

_NODE_ID: Final = re.compile(r"[a-zA-Z_][\w-]*$")
_KEY: Final = re.compile(r"[A-Za-z_][\w.-]*$")
_LOOKED_AT: Final = frozenset(cast(dict[str, Any], NODE["properties"])) - {"routing"}
_ROUTE: Final[Mapping[str, type]] = {"to": str, "out": bool, "reply": bool, "status": str, "condition": str}

_HINTS: Final[Mapping[str, str]] = {
    "when": "The condition of a route is called `condition`.",
    "if": "The condition of a route is called `condition`.",
    "goto": "The node a route leads to is called `to`.",
    "target": "The node a route leads to is called `to`.",
    "default": "A route without `status` and `condition` is the default; put it last.",
    "on_message": "Put a session.wait node after the card and branch on what the customer wrote.",
    "span": "The name of a span is called `span_name`.",
}


def check(document: Document, report: Report) -> None:
    """Notes everything in which the document differs from SCHEMA, as errors of kind Schema or Routing.

    Of nodes only those are looked at in full that are not plainly right, which most are.
    """
    nodes = fields_of(document.value.get("nodes"))
    doubtful = {node_id: node for node_id, node in nodes.items() if not _is_right(node_id, node)}
    for error in cast(Any, _validator()).iter_errors({**document.value, "nodes": doubtful}):
        steps: tuple[str | int, ...] = tuple(error.absolute_path)
        if not steps and error.validator == "required" and "type" not in error.instance and "id" in error.instance:
            continue  # said already, in more words
        for key in _unknown_keys(error) if error.validator == "additionalProperties" else ("",):
            message, step = _in_words(error, steps, key)
            at = document.at(*steps, *([key] if key else ()))
            report.error(_kind(steps), f"schema_{_code(error)}", message, at=at, next_step=step)


def _is_right(node_id: str, node: Any) -> bool:
    """Whether a node fits NODE for reasons that are quickly seen: an operation, and a usual routing."""
    if not (_NODE_ID.match(node_id) and isinstance(node, dict) and node):
        return False
    for key, value in cast(dict[str, Any], node).items():
        if key == "routing":
            if not (value in ("out", "reply") if isinstance(value, str) else _leads(value)):
                return False
        elif key in _LOOKED_AT or not _KEY.match(key):
            return False
    return True


def _leads(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(route, dict)
        and all(isinstance(said, _ROUTE.get(key, ())) for key, said in cast(dict[str, Any], route).items())
        for route in cast(list[Any], value)
    )


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(cast(Any, SCHEMA))


def _kind(steps: tuple[str | int, ...]) -> Kind:
    if len(steps) == 3 and steps[0] == "nodes" and steps[2] == "routing":
        return "Routing"
    return "Schema"


def _code(error: ValidationError) -> str:
    words = {"additionalProperties": "unknown_key", "minProperties": "empty", "minLength": "empty", "minItems": "empty"}
    return words.get(str(error.validator), str(error.validator))


def _in_words(error: ValidationError, steps: tuple[str | int, ...], key: str) -> tuple[str, str]:
    """The cause, and the next step; `key` is the one within the value that it is about."""
    name = f"`{steps[-1]}`" if steps else "The flow"
    if len(steps) > 1 and isinstance(steps[-1], int):
        name = f"Entry {steps[-1] + 1} of `{steps[-2]}`"
    wanted = cast(Any, error.validator_value)
    match error.validator:
        case "additionalProperties":
            known = ", ".join(sorted(cast(dict[str, Any], error.schema).get("properties", {})))
            hint = _HINTS.get(key) or (f"Known keys: {known}." if known else "Names are letters, digits, `_` and `-`.")
            return f"{name} may not have the key {key!r}.", hint
        case "required":
            missing = next(key for key in wanted if key not in cast(dict[str, Any], error.instance))
            return f"{name} lacks `{missing}`.", f"Add `{missing}`."
        case "type":
            kinds = " or ".join([wanted] if isinstance(wanted, str) else wanted)
            if steps[2:3] == ("routing",) and len(steps) < 5 and (written := led(error.instance)):
                return f"{name} must be of type {kinds}.", f"Write `{written}`."
            return f"{name} must be of type {kinds}.", f"Write {name} as {kinds}."
        case "enum":
            choices = ", ".join(f"`{choice}`" for choice in wanted)
            if steps[2:] == ("routing",) and (written := led(error.instance)):
                return f"{name} must be one of {choices}.", f"Write `{written}`."
            return f"{name} must be one of {choices}.", "Write one of these."
        case "minProperties" | "minLength" | "minItems":
            return f"{name} is empty.", "Write at least one."
        case _:
            return f"{name} must be at least {wanted}.", "Correct the value."


def _unknown_keys(error: ValidationError) -> list[str]:
    schema = cast(dict[str, Any], error.schema)
    patterns = schema.get("patternProperties", {})
    known = set(schema.get("properties", {}))
    fits = [re.compile(pattern) for pattern in patterns]
    keys = cast(dict[str, Any], error.instance)
    return [key for key in keys if key not in known and not any(fit.search(key) for fit in fits)]
