"""A value as it may look that fits a JSON Schema: the smallest that shows what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

_DEPTH_MAX: Final = 12
_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "name@example.com",
    "uri": "https://example.com/",
    "uuid": "6f1c6a2e-6d0b-4e0e-9a53-0c3f3d8a1f10",
}


def sample_of(schema: Mapping[str, Any]) -> Any:
    """A value that as a rule fits: whoever shows it checks it first. An example that the schema gives is taken."""
    return _of(schema, cast("Mapping[str, Any]", schema.get("$defs", {})), 0)


def _of(schema: Any, defs: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEPTH_MAX:
        return None
    fields = cast("Mapping[str, Any]", schema)
    if "$ref" in fields:
        return _of(defs.get(str(fields["$ref"]).removeprefix("#/$defs/")), defs, depth + 1)
    for key in ("examples", "enum", "const", "default"):
        if key in fields:
            found = fields[key]
            return cast("list[Any]", found)[0] if key in ("examples", "enum") and found else found
    for key in ("anyOf", "oneOf", "allOf"):
        if fields.get(key):
            return _of(fields[key][0], defs, depth + 1)
    return _of_type(fields, defs, depth)


def _of_type(fields: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Any:
    kinds: Any = fields.get("type", "object" if "properties" in fields else "string")
    match _first(kinds):
        case "object":
            required = cast("list[str]", fields.get("required", []))
            members = cast("Mapping[str, Any]", fields.get("properties", {}))
            return {name: _of(members.get(name), defs, depth + 1) for name in required}
        case "array":
            least = int(fields.get("minItems", 1))
            first = cast("list[Any]", fields.get("prefixItems", []))
            items = [_of(each, defs, depth + 1) for each in first]
            return [*items, *([_of(fields.get("items"), defs, depth + 1)] * (least - len(items)))]
        case "integer" | "number":
            return _number(fields)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text = _FORMATS.get(str(fields.get("format", "")), "text")
            return text.ljust(int(fields.get("minLength", 0)), "x")[: int(fields.get("maxLength", len(text) + 64))]


def _first(kinds: Any) -> Any:
    return cast("list[Any]", kinds)[0] if isinstance(kinds, list) and kinds else cast(object, kinds)


def _number(fields: Mapping[str, Any]) -> float:
    step = fields.get("multipleOf", 1)
    least = fields.get("minimum", fields.get("exclusiveMinimum"))
    most = fields.get("maximum", fields.get("exclusiveMaximum"))
    if least is not None:
        return -(-least // step) * step + (step if "exclusiveMinimum" in fields and least % step == 0 else 0)
    return step if most is None or most >= step else most // step * step
