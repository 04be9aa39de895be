"""A call as a request: its URL, which begins as the project says, its headers and its body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.call import InvalidArguments, Issue
from lichen.tools.egress.reach import Request
from lichen.tools.openapi.operations import FORM, TEXT, Body, Operation, Parameter
from lichen.tools.openapi.styles import encoded, in_header, in_path, in_query, text

URL_BYTES_MAX: Final = 16 * 1024
HEADER_BYTES_MAX: Final = 8 * 1024
_UPWARDS: Final = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\]|$)")


def requested(operation: Operation, arguments: Mapping[str, Any], base: str) -> Request:
    """The request of a call at a URL. Raises InvalidArguments for values that no request can hold."""
    given = [
        (each, arguments[each.argument]) for each in operation.parameters if arguments.get(each.argument) is not None
    ]
    path = _path(operation, {each.name: (each, value) for each, value in given if each.place == "path"})
    pairs = [pair for each, value in given if each.place == "query" for pair in _query(each, value)]
    headers = [(each.name, _header(each, value)) for each, value in given if each.place == "header"]
    cookies = [pair for each, value in given if each.place == "cookie" for pair in _query(each, value)]
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    url = base.rstrip("/") + path + (f"?{'&'.join(pairs)}" if pairs else "")
    if len(url) > URL_BYTES_MAX:
        raise _refused("", "invalid_length", "The arguments make a URL that is too long.")
    media, content = _content(operation.body, arguments)
    if media:
        headers.append(("Content-Type", media))
    return Request(operation.method, url, tuple(headers), content)


def _path(operation: Operation, given: Mapping[str, tuple[Parameter, Any]]) -> str:
    def filled(match: re.Match[str]) -> str:
        parameter, value = given[match[1]]
        written = in_path(parameter.name, _written(parameter, value), style=parameter.style, explode=parameter.explode)
        words = [text(each) for each in (cast("list[Any]", value) if isinstance(value, list) else [value])]
        if not written or any(not word or _UPWARDS.search(word) for word in words):
            raise _refused(parameter.argument, "invalid_format", "must be a part of a path that does not lead upwards.")
        return written

    missing = next((each for each in operation.parameters if each.place == "path" and each.name not in given), None)
    if missing is not None:
        raise _refused(missing.argument, "missing_field", "is missing.")
    return re.sub(r"\{([^{}]*)\}", filled, operation.path)


def _query(parameter: Parameter, value: Any) -> Iterator[str]:
    if parameter.is_json:
        return iter((f"{encoded(parameter.name)}={encoded(_written(parameter, value))}",))
    return in_query(parameter.name, value, style=parameter.style, explode=parameter.explode)


def _header(parameter: Parameter, value: Any) -> str:
    said = in_header(_written(parameter, value), explode=parameter.explode)
    if not (said.isascii() and said.isprintable()) or len(said) > HEADER_BYTES_MAX:
        raise _refused(parameter.argument, "invalid_format", "must be one line of plain letters.")
    return said


def _written(parameter: Parameter, value: Any) -> Any:
    return msgspec.json.encode(value).decode() if parameter.is_json else value


def _content(body: Body | None, arguments: Mapping[str, Any]) -> tuple[str, bytes]:
    """The media type and the bytes of the body; two times nothing where none is sent."""
    if body is None:
        return "", b""
    if body.members:
        value: Any = {name: arguments[name] for name in body.members if name in arguments}
        if not value and not body.is_required:
            return "", b""
    elif body.argument in arguments:
        value = arguments[body.argument]
    else:
        return "", b""
    if body.media == TEXT:
        return "text/plain; charset=utf-8", text(value).encode()
    if body.media == FORM:
        return FORM, "&".join(_fields(body, cast("dict[str, Any]", value))).encode()
    return body.media, msgspec.json.encode(value)


def _fields(body: Body, value: Mapping[str, Any]) -> Iterator[str]:
    for name, each in value.items():
        if isinstance(each, dict) and name not in body.deep:
            yield f"{encoded(name)}={encoded(cast('dict[str, Any]', each))}"
        else:
            yield from in_query(name, each, style="deepObject" if name in body.deep else "form", explode=True)


def _refused(argument: str, constraint: str, message: str) -> InvalidArguments:
    field = f"/{argument}" if argument else ""
    return InvalidArguments((Issue(field, constraint, message),))
