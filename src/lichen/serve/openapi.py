"""The API described by itself: an OpenAPI 3.1 document made from the table of routes and the types they speak."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, cast, get_type_hints

import msgspec
from starlette.responses import Response

from lichen.serve.api import ROUTES, ApiRoute
from lichen.serve.app import PREFIX
from lichen.serve.http.errors import JSON, ErrorDocument
from lichen.serve.http.exchange import Nothing
from lichen.serve.http.login import COOKIE
from lichen.serve.http.sse import MEDIA as EVENTS

KEY_CHARACTERS_MAX = 256
ALWAYS = (400, 401, 403, 408, 413, 415, 429, 431, 503)
"""What any request can end with: it is wrong, nobody, not allowed, too slow, too large, too often, or too early."""

Document = dict[str, Any]

_REF = "#/components/schemas/{name}"
_PART = re.compile(r"{(\w+)}")
_DESCRIPTION = (
    "One API for agents, runs, conversations, approvals and the log that proves them. A caller is whom their key "
    "names; another tenant's things do not exist for them. Every error has the same shape: a stable `code`, a "
    "sentence, and the `next_step`."
)


@cache
def document() -> Document:
    """The document. It describes routes, and nothing of a tenant."""
    schemas, components = _schemas(ROUTES)
    paths: Document = {}
    for route in ROUTES:
        path = paths.setdefault(f"{PREFIX}/{route.path}", {})
        path[route.method.lower()] = _operation(route, schemas, components)
    used = _reachable(paths, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lichen", "version": version("lichen"), "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name in used},
            "securitySchemes": _SECURITY,
        },
        "security": [{"key": []}, {"cookie": []}],
    }


_SECURITY: Document = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, made with `lichen keys create`."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The console's session. What changes something also needs its token in `X-CSRF-Token`.",
    },
}


# -- operations --------------------------------------------------------------------------------------------------


def _operation(route: ApiRoute, schemas: Mapping[Any, Document], components: Document) -> Document:
    module = route.handler.__module__.rpartition(".")[2]
    summary, _, rest = (route.handler.__doc__ or "").strip().partition("\n\n")
    operation: Document = {
        "operationId": f"{module}.{getattr(route.handler, '__name__', '')}",
        "tags": [module],
        "summary": " ".join(summary.split()),
        "parameters": [*_parts(route), *_fields(route, components), *_headers(route)],
        "responses": _responses(route, schemas),
    }
    access = "Only the owner of the data directory, over its local socket." if route.access == "owner" else ""
    described = " ".join(f"{' '.join(rest.split())} {access}".split())
    if described:
        operation["description"] = described
    if route.access not in ("owner", "anybody"):
        operation["x-capability"] = route.access
    if route.body is not Nothing:
        operation["requestBody"] = _body(route, schemas, components)
    return operation


def _body(route: ApiRoute, schemas: Mapping[Any, Document], components: Document) -> Document:
    is_required = bool(_resolved(schemas[route.body], components).get("required"))
    return {"required": is_required, "content": {JSON: {"schema": schemas[route.body]}}}


def _parts(route: ApiRoute) -> list[Document]:
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in _PART.findall(route.path)]


def _fields(route: ApiRoute, components: Document) -> list[Document]:
    if route.query is Nothing:
        return []
    described = components[_name_of(route.query, components)]
    required = described.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(schema)}
        for name, schema in described["properties"].items()
    ]


def _without_null(schema: Document) -> Document:
    """A field of a query is left out; it is never null."""
    given = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    if "anyOf" not in given:
        return given
    others = [each for each in given.pop("anyOf") if each != {"type": "null"}]
    return {**others[0], **given} if len(others) == 1 else {"anyOf": others, **given}


def _headers(route: ApiRoute) -> list[Document]:
    found: list[Document] = []
    if route.takes_key:
        schema = {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX, "pattern": "^[!-~]+$"}
        described = "A repeated request under the same key counts once."
        found.append({"name": "Idempotency-Key", "in": "header", "description": described, "schema": schema})
    if route.media == EVENTS:
        schema = {"type": "string", "pattern": "^[0-9]{1,15}$"}
        described = "The `id` of the last event seen; the stream goes on after it."
        found.append({"name": "Last-Event-ID", "in": "header", "description": described, "schema": schema})
    return found


def _responses(route: ApiRoute, schemas: Mapping[Any, Document]) -> Document:
    given = _answer(route)
    schema = {} if given is Response else schemas[given]
    found: Document = {"200": {"description": "Done.", "content": {route.media: {"schema": schema}}}}
    missing = (404,) if "{" in route.path else ()
    for status in sorted({*ALWAYS, *missing, *route.fails}):
        content = {JSON: {"schema": schemas[ErrorDocument]}}
        found[str(status)] = {"description": f"{HTTPStatus(status).phrase}.", "content": content}
    return found


# -- schemas -----------------------------------------------------------------------------------------------------


def _answer(route: ApiRoute) -> Any:
    return get_type_hints(route.handler)["return"]


def _schemas(routes: Iterable[ApiRoute]) -> tuple[Mapping[Any, Document], Document]:
    """Each type's schema, and the named ones they refer to."""
    kinds: list[Any] = [ErrorDocument]
    for route in routes:
        kinds += [kind for kind in (route.query, route.body, _answer(route)) if kind is not Response]
    distinct = list(dict.fromkeys(kinds))
    found, components = msgspec.json.schema_components(distinct, ref_template=_REF)
    return dict(zip(distinct, found, strict=True)), components


def _name_of(kind: type, components: Document) -> str:
    """The name of a type's schema: short where that is clear."""
    long = re.sub(r"[^a-zA-Z0-9.\-_]", "_", f"{kind.__module__}.{kind.__qualname__}")
    return kind.__name__ if kind.__name__ in components else long


def _resolved(schema: Document, components: Document) -> Document:
    return components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _reachable(node: Any, components: Document, found: frozenset[str] = frozenset()) -> frozenset[str]:
    """The names of the schemas that something refers to, at any depth."""
    if isinstance(node, dict) and "$ref" in node:
        name = str(cast(Document, node)["$ref"]).rpartition("/")[2]
        return found if name in found else _reachable(components[name], components, found | {name})
    children: Iterable[Any] = ()
    if isinstance(node, dict):
        children = cast(Document, node).values()
    elif isinstance(node, list):
        children = cast(list[Any], node)
    for child in children:
        found = _reachable(child, components, found)
    return found
