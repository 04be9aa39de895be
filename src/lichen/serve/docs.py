"""The API for people: one page made from the same document that programs read."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lichen.serve.app import PREFIX
from lichen.serve.http.errors import JSON
from lichen.serve.openapi import document
from lichen.serve.page import html
from lichen.serve.page.assets import static_routes

Spans = tuple[tuple[str, bool], ...]
"""A text in pieces, and of each whether it is code."""


class Field(msgspec.Struct, frozen=True):
    """A field or parameter, its type in a few words."""

    name: str
    kind: str
    required: bool


class Entry(msgspec.Struct, frozen=True):
    """One operation."""

    id: str
    method: str
    path: str
    summary: Spans
    description: Spans
    access: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answer: str
    fields: tuple[Field, ...]
    statuses: tuple[str, ...]


def docs_routes() -> list[BaseRoute]:
    """The page, the document, and the page's own style."""
    return [
        Route("/api", _page),
        Route("/api/docs", _page),
        Route(f"{PREFIX}/openapi.json", _document),
        *static_routes("api.css"),
    ]


async def _document(request: Request) -> Response:
    return Response(msgspec.json.encode(document()), media_type=JSON)


async def _page(request: Request) -> Response:
    return html.page("api.html", groups=_groups(), about=_spans(document()["info"]["description"]))


@cache
def _groups() -> dict[str, list[Entry]]:
    """Operations by what they are about, in the order of the table."""
    found: dict[str, list[Entry]] = {}
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append(_entry(path, method, operation))
    return found


def _entry(path: str, method: str, operation: dict[str, Any]) -> Entry:
    body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
    media, answer = next(iter(operation["responses"]["200"]["content"].items()))
    schema = answer["schema"]
    return Entry(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=_spans(operation["summary"]),
        description=_spans(operation.get("description", "")),
        access=operation.get("x-capability", ""),
        parameters=tuple(
            Field(each["name"], _kind(each["schema"]), each.get("required", False)) for each in operation["parameters"]
        ),
        body=_fields(body),
        answer=_kind(schema) if schema else media,
        fields=_fields(schema.get("items", schema)),
        statuses=tuple(operation["responses"]),
    )


def _spans(text: str) -> Spans:
    return tuple((piece, i % 2 == 1) for i, piece in enumerate(text.split("`")) if piece)


def _fields(schema: dict[str, Any]) -> tuple[Field, ...]:
    if "$ref" in schema:
        schema = document()["components"]["schemas"][_name(schema)]
    required = schema.get("required", ())
    return tuple(Field(name, _kind(each), name in required) for name, each in schema.get("properties", {}).items())


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    match schema:
        case {"$ref": _}:
            return _name(schema).rpartition(".")[2]
        case {"enum": choices}:
            return " | ".join(map(str, choices))
        case {"anyOf": options}:
            return " | ".join(_kind(each) for each in options)
        case {"type": "array", "items": items}:
            return f"{_kind(items)}[]"
        case _:
            return str(schema.get("type", "any"))


def _name(schema: dict[str, Any]) -> str:
    return schema["$ref"].rpartition("/")[2]
