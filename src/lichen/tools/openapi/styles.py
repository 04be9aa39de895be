"""How values are written into paths, queries, headers and cookies.

Everything that is not a letter, a digit or one of `-._~` is percent-encoded, so no value ends one part of a URL and
begins another.

Source: OpenAPI 3.1.1 section 4.8.12 (Style Values and Examples), RFC 6570, RFC 3986.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec

_BETWEEN: Final = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "|"}


def text(value: Any) -> str:
    """A value as a word: of an object or a list its JSON."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case None:
            return ""
        case _:
            return msgspec.json.encode(value).decode()


def encoded(value: Any) -> str:
    """A value as it may stand in any part of a URL."""
    return quote(text(value), safe="")


def in_path(name: str, value: Any, *, style: str, explode: bool) -> str:
    """A value as part of a path: `simple`, `label` or `matrix`."""
    match style:
        case "label":
            return "." + _joined(value, "." if explode else ",", explode=explode)
        case "matrix":
            return _matrix(name, value, explode=explode)
        case _:
            return _joined(value, ",", explode=explode)


def in_header(value: Any, *, explode: bool) -> str:
    """A value of a header, `simple`: as it is, for headers are not percent-encoded."""
    match value:
        case list():
            return ",".join(map(text, cast("list[Any]", value)))
        case dict():
            pairs = cast("dict[str, Any]", value).items()
            return ",".join(f"{key}={text(one)}" if explode else f"{key},{text(one)}" for key, one in pairs)
        case _:
            return text(value)


def in_query(name: str, value: Any, *, style: str, explode: bool) -> Iterator[str]:
    """The `name=value` that a value makes in a query or a form."""
    key = encoded(name)
    match value:
        case dict() if style == "deepObject":
            yield from _deep(key, cast("dict[str, Any]", value))
        case dict() if explode:
            yield from (f"{encoded(one)}={encoded(of)}" for one, of in cast("dict[str, Any]", value).items())
        case list() if explode:
            yield from (f"{key}={encoded(each)}" for each in cast("list[Any]", value))
        case dict() | list():
            yield f"{key}={_joined(value, _BETWEEN.get(style, ','), explode=False)}"
        case _:
            yield f"{key}={encoded(value)}"


def _deep(key: str, value: dict[str, Any]) -> Iterator[str]:
    for name, each in value.items():
        inner = f"{key}[{encoded(name)}]"
        if isinstance(each, dict):
            yield from _deep(inner, cast("dict[str, Any]", each))
        elif isinstance(each, list):
            yield from (f"{inner}={encoded(one)}" for one in cast("list[Any]", each))
        else:
            yield f"{inner}={encoded(each)}"


def _joined(value: Any, between: str, *, explode: bool) -> str:
    match value:
        case list():
            return between.join(map(encoded, cast("list[Any]", value)))
        case dict():
            mark = "=" if explode else between
            return between.join(
                f"{encoded(key)}{mark}{encoded(of)}" for key, of in cast("dict[str, Any]", value).items()
            )
        case _:
            return encoded(value)


def _matrix(name: str, value: Any, *, explode: bool) -> str:
    key = encoded(name)
    match value:
        case list() if explode:
            return "".join(f";{key}={encoded(each)}" for each in cast("list[Any]", value))
        case dict() if explode:
            return "".join(f";{encoded(one)}={encoded(of)}" for one, of in cast("dict[str, Any]", value).items())
        case _:
            return f";{key}={_joined(value, ',', explode=False)}"
