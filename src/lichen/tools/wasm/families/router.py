"""wasix:mcp/router@25.6.18 and 0.0.5: the tools, resources and prompts of an MCP server that is a component.

A tool is an operation of its own name; `list-resources`, `read-resource`, `list-prompts` and `get-prompt` are asked
under theirs. A tool that wants to ask a person first (`elicit`) was not done; what it asks stands in the metadata.

Source: wasix:mcp@25.6.18 and 0.0.5, interface router; greentic-mcp, its error codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.core.components.manifest import OPERATIONS_MAX, Operation
from lichen.tools.wasm.documents.answers import MCP_TOOL_ERROR, halves
from lichen.tools.wasm.documents.contexts import payload_of
from lichen.tools.wasm.documents.descriptions import described
from lichen.tools.wasm.documents.trees import items, json, refused, table, text_or_tree
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation, Reported
from lichen.tools.wasm.values.canonical import Case

MCP_ROUTER_ERROR: Final = "MCP_ROUTER_ERROR"
MCP_CONFIG_ERROR: Final = "MCP_CONFIG_ERROR"
ASKS: Final = "component_asks"
MESSAGE_CHARS_MAX: Final = 4_000
_STATUS: Final = {"invalid-parameters": 400, "not-found": 404, "schema-error": 422}
_OTHERS: Final = ("list-resources", "read-resource", "list-prompts", "get-prompt")
_NEEDS: Final = {"read-resource": "uri", "get-prompt": "name"}


class Router:
    """Implements `Family` for one version. In the old one JSON stands in a record of its own (`value`)."""

    def __init__(self, version: str, *, wraps_json: bool = False) -> None:
        self.name: Final = f"router@{version}"
        self._interface: Final = f"wasix:mcp/router@{version}"
        self._wraps = wraps_json

    def fits(self, exports: Exports) -> str | None:
        """The router, where its tools can be listed or called."""
        offered = exports.interfaces.get(self._interface, ())
        return self._interface if {"list-tools", "call-tool"} & set(offered) else None

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """Its tools, with the schemas and hints that it gives of them."""
        listed: Any = (
            instance.call(self._interface, "list-tools") if instance.has(self._interface, "list-tools") else []
        )
        if not isinstance(listed, list) or len(cast("list[Any]", listed)) > OPERATIONS_MAX:
            raise refused("Its list of tools", f"is no list of at most {OPERATIONS_MAX}")
        tools = [table(each) for each in cast("list[Any]", listed)]
        name = instance.call(self._interface, "name") if instance.has(self._interface, "name") else ""
        said = {"name": name, "operations": [self._tool(each) for each in tools]}
        found = described(said, members=exports.interfaces[self._interface])
        others = tuple(_other(each) for each in _OTHERS if instance.has(self._interface, each))
        hints = {str(each.get("name")): _hints(each) for each in tools}
        return Described(
            found.name,
            operations=found.operations + others,
            members=found.members,
            details={**found.details, "hints": hints},
        )

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What a tool answers, or what a resource or a prompt is."""
        if asked.operation in _OTHERS and instance.has(self._interface, asked.operation):
            return self._other(instance, asked)
        if not instance.has(self._interface, "call-tool"):
            return Answered(failure=Reported(MCP_ROUTER_ERROR, "The router lists tools, and calls none."))
        arguments = json(asked.payload if asked.payload is not None else {})
        given = {"json": arguments} if self._wraps else arguments
        is_good, said = halves(instance.call(self._interface, "call-tool", asked.operation, given))
        return _answered(said) if is_good else Answered(failure=_failure(said))

    def _other(self, instance: Instance, asked: Invocation) -> Answered:
        need = _NEEDS.get(asked.operation)
        given = table(payload_of(asked)).get(need, "") if need else None
        if need and not isinstance(given, str):
            return Answered(failure=Reported(MCP_CONFIG_ERROR, f"`{need}` is no text."))
        is_good, said = halves(instance.call(self._interface, asked.operation, *([given] if need else [])))
        return Answered(_tree(said)) if is_good else Answered(failure=_failure(said))

    def _tool(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "name": said.get("name"),
            "description": said.get("description") or said.get("title") or "",
            "input_schema": _json(said.get("input-schema")) or {},
            "output_schema": _json(said.get("output-schema")) or {},
        }


def _other(name: str) -> Operation:
    need = _NEEDS.get(name)
    properties = {need: {"type": "string"}} if need else {}
    return Operation(name, {"type": "object", "properties": properties, "required": list(properties)})


def _answered(said: Any) -> Answered:
    tag = said.tag if isinstance(said, Case) else "completed"  # the old one knows no other
    held: object = said.payload if isinstance(said, Case) else said
    fields = table(held)
    if tag == "completed" and fields:
        return _completed(fields)
    if tag == "elicit":
        told = {**table(_tree(fields)), "schema": _json(fields.get("schema"))}
        message = f"It asks something first: {fields.get('message', '')}"
        return Answered(failure=Reported(ASKS, message[:MESSAGE_CHARS_MAX]), metadata={"elicit": told})
    return Answered(failure=Reported(MCP_ROUTER_ERROR, "The router answers what no result is."))


def _completed(result: Mapping[str, Any]) -> Answered:
    """A result as MCP has it: its content, its structured content, and whether it is an error."""
    content = [_content(each) for each in items(result.get("content"))]
    payload: dict[str, Any] = {"content": content}
    if (structured := _json(result.get("structured-content"))) is not None:
        payload["structuredContent"] = structured
    told = {name: _tree(result[name]) for name in ("progress", "meta") if result.get(name)}
    if result.get("is-error"):
        words = "\n".join(each["text"] for each in content if isinstance(each.get("text"), str))
        return Answered(payload, Reported(MCP_TOOL_ERROR, words[:MESSAGE_CHARS_MAX], details=payload), told)
    return Answered(payload, metadata=told)


def _content(said: Any) -> dict[str, Any]:
    """One piece of content as MCP has it, its type beside its fields."""
    if not isinstance(said, Case):
        return {"type": "unknown"}
    return {"type": _TYPES.get(said.tag, said.tag), **{_camel(name): each for name, each in _fields(said.payload)}}


_TYPES: Final = {"resource-link": "resource_link", "embedded-resource": "resource", "embedded": "resource"}


def _fields(said: Any) -> list[tuple[str, Any]]:
    return [(name, each) for name, each in table(_tree(said)).items() if each is not None]


def _failure(said: Any) -> Reported:
    """The failure of a tool, with its kind and the status that adapters of routers give it."""
    if not isinstance(said, Case):
        return Reported(MCP_ROUTER_ERROR, said[:MESSAGE_CHARS_MAX] if isinstance(said, str) else "")
    message = said.payload if isinstance(said.payload, str) else ""
    details = {"kind": said.tag, "status": _STATUS.get(said.tag, 500)}
    return Reported(MCP_TOOL_ERROR, message[:MESSAGE_CHARS_MAX], details=details)


def _hints(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: each for name, each in table(said.get("annotations")).items() if isinstance(each, bool)}


def _json(said: object) -> Any:
    """The JSON that a text is, or the text of a `value`."""
    held = table(said).get("json", said)
    return text_or_tree(held) if isinstance(held, str) and held else None


def _tree(said: Any) -> Any:
    """A value of WIT as JSON: a case as an object of its tag, flags as a list."""
    match said:
        case Case(tag, payload):
            return {tag: _tree(payload)}
        case dict():
            return {name: _tree(each) for name, each in cast("dict[str, Any]", said).items()}
        case list() | tuple():
            return [_tree(each) for each in cast("list[Any]", said)]
        case None | bool() | int() | float() | str():
            return said
        case _:
            raise refused("Its answer", "holds what JSON cannot say")


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(each.capitalize() for each in rest)
