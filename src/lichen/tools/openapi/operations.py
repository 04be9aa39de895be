"""The operations of a document, each as one that can be asked: what it takes, what it brings, who may ask it.

Source: OpenAPI 3.1.1, Path Item, Operation, Parameter, Request Body, Responses and Security Requirement Objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from lichen.tools.openapi.document import Document, Unusable
from lichen.tools.openapi.schemas import bounded, translated

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
ASKED: Final = ("get", "head", "put", "delete", "post", "patch")
DESCRIPTION_CHARS_MAX: Final = 8_000
PARAMETERS_MAX: Final = 100
OPERATIONS_MAX: Final = 5_000
BODY: Final = "body"
_STYLES: Final[Mapping[str, tuple[str, ...]]] = {  # the first is what is meant where nothing is said
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_IGNORED: Final = frozenset(("accept", "content-type", "authorization"))  # as the specification says
_OURS: Final = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "cookie", "te", "trailer", "upgrade", "expect")
)
IDEMPOTENCY: Final = "idempotency-key"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_JSON: Final = re.compile(r"application/(?:json|[a-z0-9.+-]+\+json)", re.IGNORECASE)
FORM: Final = "application/x-www-form-urlencoded"
TEXT: Final = "text/plain"

Place = Literal["path", "query", "header", "cookie"]


class Parameter(msgspec.Struct, frozen=True):
    """One parameter: its name there, which argument it is, and how a value is written. `is_json`: as JSON."""

    name: str
    argument: str
    place: Place
    style: str
    explode: bool
    is_json: bool
    is_required: bool
    schema: Mapping[str, Any]


class Body(msgspec.Struct, frozen=True):
    """What is sent: its media type, and the arguments that are its members; none where one argument is all of it."""

    media: str
    argument: str
    members: tuple[str, ...]
    is_required: bool
    schema: Mapping[str, Any]
    deep: frozenset[str] = frozenset()  # members of a form that are written as name[member]=value


class Operation(msgspec.Struct, frozen=True):
    """One operation. `id` is its operationId, empty where it has none; `answer` is the schema of what it brings when it
    succeeds, None where the document says nothing of use. `keyed` is the header that takes a key for each call.
    `security` are the ways in which somebody may ask: each names the schemes that it takes together.
    """

    id: str
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    answer: Mapping[str, Any] | None
    security: tuple[tuple[str, ...], ...]
    keyed: str = ""

    @property
    def title(self) -> str:
        """`GET /orders/{id}`."""
        return f"{self.method} {self.path}"

    def arguments(self) -> Mapping[str, Any]:
        """The schema of all arguments together. Raises Unusable."""
        properties: dict[str, Any] = {each.argument: each.schema for each in self.parameters}
        required = [each.argument for each in self.parameters if each.is_required]
        if self.body is not None and self.body.members:
            properties |= self.body.schema["properties"]
            required += self.body.schema["required"]
        elif self.body is not None:
            properties[self.body.argument] = self.body.schema
            required += [self.body.argument] if self.body.is_required else []
        made = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        return bounded(made)


class Entry(NamedTuple):
    """An operation as a document lists it."""

    id: str
    method: str
    path: str
    said: Mapping[str, Any]
    shared: Mapping[str, Any]  # its path item

    @property
    def title(self) -> str:
        """`GET /orders/{id}`."""
        return f"{self.method} {self.path}"

    @property
    def place(self) -> str:
        """Where it stands in its document, as a JSON pointer: `#/paths/~1orders~1{id}/get`."""
        return f"#/paths/{_token(self.path)}/{self.method.lower()}"


def entries(document: Document) -> Iterator[Entry]:
    """Every operation that a document lists."""
    paths = cast("dict[str, Any]", document.tree.get("paths", {}))
    count = 0
    for path, said in paths.items():
        try:
            item = document.found(said)
        except Unusable:
            continue
        for method in METHODS:
            if isinstance(item.get(method), dict) and path.startswith("/") and count < OPERATIONS_MAX:
                count += 1
                operation = cast("dict[str, Any]", item[method])
                id = operation.get("operationId")
                yield Entry(id if isinstance(id, str) else "", method.upper(), path, operation, item)


def passed_over(document: Document) -> Iterator[tuple[str, str]]:
    """Where paths and operations stand that are not even listed, as JSON pointers, each with the reason."""
    paths = cast("dict[str, Any]", document.tree.get("paths", {}))
    count = 0
    for path, said in paths.items():
        place = f"#/paths/{_token(path)}"
        if path.startswith("x-"):
            continue  # an extension, which is no path
        try:
            item = document.found(said)
        except Unusable as error:
            yield place, str(error)
            continue
        if not path.startswith("/"):
            yield place, "A path begins with `/`."
            continue
        for method in (each for each in METHODS if each in item):
            if not isinstance(item[method], dict):
                yield f"{place}/{method}", "It is no operation."
                continue
            count += 1
            if count > OPERATIONS_MAX:
                yield f"{place}/{method}", f"An API has {OPERATIONS_MAX} operations at most."


def _token(name: str) -> str:
    """A name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def operation(document: Document, entry: Entry) -> Operation:
    """The operation as it can be asked. Raises Unusable with the reason why it cannot."""
    said = entry.said
    if entry.method.lower() not in ASKED:
        raise Unusable(f"{entry.method} is no method that acts on anything.")
    if "servers" in said or "servers" in entry.shared:
        raise Unusable("It has servers of its own, and only the URL of the API is asked.")
    if _is_endless(document, said):
        raise Unusable("Its answer is a stream, which does not end.")
    found = tuple(_parameters(document, entry))
    keyed = next((each.name for each in found if each.place == "header" and each.name.lower() == IDEMPOTENCY), "")
    parameters = _apart([each for each in found if each.name != keyed or each.place != "header"])
    _check_path(entry.path, parameters)
    body = _body(document, said, frozenset(each.argument for each in parameters))
    answer = _answer(document, said)
    security = _security(document, said)
    text = "\n\n".join(cast("str", said[key]) for key in ("summary", "description") if isinstance(said.get(key), str))
    description = (text or entry.title)[:DESCRIPTION_CHARS_MAX]
    return Operation(entry.id, entry.method, entry.path, description, parameters, body, answer, security, keyed)


# -- parameters ----------------------------------------------------------------------------------------------------


def _parameters(document: Document, entry: Entry) -> Iterator[Parameter]:
    """Those of the path and of the operation, which count before them."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for holder in (entry.shared, entry.said):
        listed: Any = holder.get("parameters", [])
        for each in cast("list[Any]", listed) if isinstance(listed, list) else []:
            said = document.found(each)
            found[str(said.get("in")), str(said.get("name"))] = said
    if len(found) > PARAMETERS_MAX:
        raise Unusable(f"It takes more than {PARAMETERS_MAX} parameters.")
    for (place, name), said in found.items():
        if place == "header" and name.lower() in _IGNORED:
            continue
        yield _parameter(document, place, name, said)


def _parameter(document: Document, place: str, name: str, said: Mapping[str, Any]) -> Parameter:
    if place not in _STYLES or not name or len(name) > 128:
        raise Unusable("A parameter of it is in no place that there is.")
    if place in ("header", "cookie") and (not _TOKEN.fullmatch(name) or name.lower() in _OURS):
        raise Unusable("A header or cookie of it is not for its callers to set.")
    style = said.get("style", _STYLES[place][0])
    if style not in _STYLES[place]:
        raise Unusable("A parameter of it is written in no style that there is.")
    content = said.get("content")
    is_json = isinstance(content, dict) and any(_JSON.fullmatch(media) for media in cast("dict[str, Any]", content))
    if content is not None and not is_json:
        raise Unusable("A parameter of it is written as something else than JSON.")
    of = next(iter(cast("dict[str, Any]", content).values())) if is_json else said
    schema = translated(document, cast("dict[str, Any]", of).get("schema", {}), "in")
    if isinstance(text := said.get("description"), str) and "description" not in schema:
        schema = {**schema, "description": text[:1_000]}
    explode = said.get("explode", style == "form")
    is_required = place == "path" or said.get("required") is True
    return Parameter(name, name, cast("Place", place), style, explode is True, is_json, is_required, schema)


def _apart(parameters: list[Parameter]) -> tuple[Parameter, ...]:
    """Parameters of one name in two places are two arguments: the later one says its place. Models are given names of
    plain letters only."""
    taken: set[str] = set()
    found: list[Parameter] = []
    for each in parameters:
        plain = _UNFIT.sub("_", each.name).strip("_")[:64] or each.place
        argument = plain if plain not in taken else f"{each.place}_{plain}"
        if argument in taken:
            raise Unusable("Several parameters of it would have one name.")
        taken.add(argument)
        found.append(msgspec.structs.replace(each, argument=argument))
    return tuple(found)


def _check_path(path: str, parameters: tuple[Parameter, ...]) -> None:
    """Raises Unusable unless each `{name}` of the path is a parameter, and the other way round."""
    named = re.findall(r"\{([^{}]*)\}", path)
    rest = re.sub(r"\{[^{}]*\}", "", path)
    declared = sorted(each.name for each in parameters if each.place == "path")
    if sorted(named) != declared or set(rest) & set("{}?#\\") or not path.isprintable():
        raise Unusable("Its path and its path parameters do not fit each other.")
    if any(segment in (".", "..") for segment in path.split("/")):
        raise Unusable("Its path leads upwards.")


# -- bodies, answers, security -------------------------------------------------------------------------------------


def _body(document: Document, said: Mapping[str, Any], taken: frozenset[str]) -> Body | None:
    if "requestBody" not in said:
        return None
    body = document.found(said["requestBody"])
    content = cast("dict[str, Any]", body.get("content", {})) if isinstance(body.get("content"), dict) else {}
    is_required = body.get("required") is True
    media = _media(content)
    if media is None:
        if is_required:
            raise Unusable("Its body is neither JSON, nor a form without files, nor text.")
        return None
    said_of = document.found(content[media])
    schema = translated(document, said_of.get("schema", {}), "in")
    kind = TEXT if media.lower().startswith(TEXT) else FORM if media.lower().startswith(FORM) else media
    if kind == TEXT:
        schema = {"type": "string", **{key: schema[key] for key in ("description",) if key in schema}}
    flat = _flattened(schema, taken, is_required=is_required)
    if kind == FORM and flat is None and not isinstance(schema.get("properties"), dict):
        raise Unusable("Its form has no fields that are named.")
    argument = next(name for name in (BODY, "request_body", "the_request_body") if name not in taken)
    encoding = said_of.get("encoding")
    deep = frozenset(
        name
        for name, how in (cast("dict[str, Any]", encoding).items() if isinstance(encoding, dict) else ())
        if isinstance(how, dict) and cast("dict[str, Any]", how).get("style") == "deepObject"
    )
    if flat is None:
        return Body(kind, argument, (), is_required, schema, deep)
    return Body(kind, argument, tuple(flat["properties"]), is_required, flat, deep)


def _media(content: Mapping[str, Any]) -> str | None:
    """The media type that is sent, of those which the operation takes."""
    for wanted in (_JSON, re.compile(re.escape(FORM)), re.compile(re.escape(TEXT))):
        for media in content:
            if wanted.fullmatch(media.partition(";")[0].strip()):
                return media
    return None


def _flattened(schema: dict[str, Any], taken: frozenset[str], *, is_required: bool) -> dict[str, Any] | None:
    """The schema whose members can be arguments of their own; None where they cannot."""
    merged = _merged(schema)
    if merged is None or not merged["properties"] or taken & set(merged["properties"]):
        return None
    return merged if is_required or not merged["required"] else None


def _merged(schema: dict[str, Any]) -> dict[str, Any] | None:
    """An object with nothing but named members; several that all count (`allOf`) as one."""
    if schema.keys() - {"type", "properties", "required", "description", "additionalProperties", "allOf"}:
        return None
    if schema.get("type", "object") != "object" or schema.get("additionalProperties", False) not in (False, True):
        return None
    if schema.get("additionalProperties") is True:
        return None
    properties: dict[str, Any] = dict(schema.get("properties", {}))
    required: list[str] = list(schema.get("required", ()))
    for each in schema.get("allOf", ()):
        inner = _merged(each)
        if inner is None or properties.keys() & inner["properties"].keys():
            return None
        properties |= inner["properties"]
        required += inner["required"]
    if any(name not in properties for name in required):
        return None
    return {"type": "object", "properties": properties, "required": list(dict.fromkeys(required))}


def _answer(document: Document, said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of the one answer that the document promises for a success, if it is JSON and can be checked."""
    responses: Any = said.get("responses", {})
    found: list[Any] = []
    try:
        for status, response in cast("dict[str, Any]", responses).items() if isinstance(responses, dict) else ():
            if status[:1] == "2":
                content = document.found(response).get("content")
                kinds = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
                found += [_schema(kinds[media]) for media in kinds if _JSON.fullmatch(media)] or [None]
        if len(found) != 1 or found[0] is None:
            return None
        return translated(document, found[0], "out")
    except Unusable:
        return None


def _is_endless(document: Document, said: Mapping[str, Any]) -> bool:
    """Whether all that it answers with success are streams of events."""
    responses: Any = said.get("responses", {})
    good = [document.found(each) for status, each in cast("dict[str, Any]", responses).items() if status[:1] == "2"]
    kinds = [kind for each in good for kind in cast("dict[str, Any]", each.get("content") or {})]
    return bool(kinds) and all(kind.startswith("text/event-stream") for kind in kinds)


def _schema(media: Any) -> Any:
    return cast("dict[str, Any]", media).get("schema") if isinstance(media, dict) else None


def _security(document: Document, said: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    ways: Any = said.get("security", document.tree.get("security", []))
    listed = cast("list[Any]", ways) if isinstance(ways, list) else []
    return tuple(tuple(cast("dict[str, Any]", way)) for way in listed if isinstance(way, dict))
