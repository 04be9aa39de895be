"""The request of a manifest: its URL, headers and body, each placeholder filled as its place wants it.

In a URL a value is percent-encoded, in a header it is one line, in a body of JSON it is a part of a string or a number,
so no value ends what its place began. Where the request goes is written out. A secret is filled in when it is sent.

Source: ToolClad, HTTP backend.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from lichen.core.ports.call import InvalidArguments, Issue, NotDone
from lichen.core.ports.secrets import Secret
from lichen.core.remote.api import check_url
from lichen.tools.clad.manifest import Argument, HttpTable, Manifest, invalid
from lichen.tools.egress.reach import Request
from lichen.tools.openapi.requests import HEADER_BYTES_MAX, URL_BYTES_MAX
from lichen.tools.openapi.styles import encoded

BODY_BYTES_MAX: Final = 1024 * 1024
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
NUMBERS: Final = ("integer", "number", "port", "boolean")
_PART: Final = re.compile(r"\{(_secret:)?([A-Za-z_][A-Za-z0-9_.-]*)\}")
_BEGIN: Final = re.compile(r"https?://[^/?#{}@\\\s]+(?=[/?]|$)")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_OURS: Final = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer")

Encode = Callable[[str, str], str]
"""A value as a place takes it: of the argument of this name (empty for a secret)."""


class Written(NamedTuple):
    """A request as its manifest says it."""

    table: HttpTable
    arguments: Mapping[str, Argument]
    media: str
    secrets: tuple[str, ...]


def written(manifest: Manifest, arguments: Mapping[str, Argument], place: str) -> Written:
    """The request of a manifest, checked. Raises Invalid (`manifest_invalid`) for one that could never be sent."""
    table = manifest.http
    assert table is not None, "it was looked at"
    fault = next(_faults(table, arguments), "")
    secrets = tuple(dict.fromkeys(name for is_secret, name in _places(table) if is_secret))
    begin = _BEGIN.match(table.url)
    if not fault and begin is not None:
        try:
            check_url(begin[0], is_trusted=bool(secrets))
        except ValueError as error:
            fault = str(error)
    if fault:
        raise invalid(f"[http]: {fault}.", place)
    return Written(table, arguments, _media(table), secrets)


def _faults(table: HttpTable, arguments: Mapping[str, Argument]) -> Iterator[str]:
    if _BEGIN.match(table.url) is None or "#" in table.url:
        yield "a url begins with http:// or https:// and the host, which is written out"
    if "{_secret:" in table.url.partition("?")[0]:
        yield "a secret stands in a header, the query or the body, and not in a path"
    for is_secret, name in _places(table):
        if not is_secret and name not in arguments:
            yield f"nothing is called {name!r}"
    for name in table.headers:
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            yield f"{name!r} is no header that is said here"
    if table.body_template is not None:
        yield from _faults_of_body(table, table.body_template, arguments)


def _faults_of_body(table: HttpTable, body: str, arguments: Mapping[str, Argument]) -> Iterator[str]:
    media = _media(table)
    if media not in (JSON, FORM) and not media.startswith("text/plain") and not media.endswith("+json"):
        yield f"nobody knows how values are written into a body of {media}"
    if not _is_json(media):
        return

    def stand_in(match: re.Match[str]) -> str:
        return "0" if match[1] is None and arguments[match[2]].type in NUMBERS else "x"

    if all(is_secret or name in arguments for is_secret, name in _found(body)) and not _reads(
        _PART.sub(stand_in, body)
    ):
        yield 'body_template is no JSON; a text stands in quotation marks, "{name}", and a number or truth may not'


def _places(table: HttpTable) -> Iterator[tuple[bool, str]]:
    for text in (table.url, *table.headers.values(), table.body_template or ""):
        yield from _found(text)


def _found(text: str) -> Iterator[tuple[bool, str]]:
    for match in _PART.finditer(text):
        yield match[1] is not None, match[2]


def _media(table: HttpTable) -> str:
    said = next((value for name, value in table.headers.items() if name.lower() == "content-type"), JSON)
    return said.partition(";")[0].strip().lower()


def _is_json(media: str) -> bool:
    return media == JSON or media.endswith("+json")


def _reads(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


# -- filling -------------------------------------------------------------------------------------------------------


def request_of(of: Written, found: Mapping[str, str], secrets: Mapping[str, Secret] | None) -> Request:
    """The request of a call; without `secrets` as it is shown and looked at. Raises InvalidArguments for values that no
    request can hold, NotDone (`secret_invalid`) for a secret that none can."""
    table = of.table
    url = _filled(table.url, found, secrets, lambda name, value: _in_url(of, name, value))
    headers = [(name, _filled(value, found, secrets, _in_header)) for name, value in table.headers.items()]
    content = b""
    if table.body_template is not None:
        content = _filled(table.body_template, found, secrets, lambda _, value: _in_body(of.media, value)).encode()
        if _is_json(of.media) and not _reads(content.decode()):
            raise _refused("", "The arguments make a body that is no JSON: one is missing.")
        if not any(name.lower() == "content-type" for name in table.headers):
            headers.append(("Content-Type", JSON))
    if len(url) > URL_BYTES_MAX or len(content) > BODY_BYTES_MAX:
        raise _refused("", "The arguments make a request that is too long.")
    return Request(table.method, url, tuple(headers), content)


def _filled(text: str, found: Mapping[str, str], secrets: Mapping[str, Secret] | None, encode: Encode) -> str:
    def part(match: re.Match[str]) -> str:
        if match[1] is None:
            return encode(match[2], found[match[2]])
        if secrets is None:
            return match[0].strip("{}") if encode is not _in_header else "secret"
        try:
            return encode("", secrets[match[2]].reveal().strip())
        except InvalidArguments:
            message = f"The secret {match[2]} holds what no request can."
            raise NotDone(message, code="secret_invalid", retryable=False, recovery="finish") from None

    return _PART.sub(part, text)


def _in_url(of: Written, name: str, value: str) -> str:
    if name and of.arguments[name].type in ("path", "credential_file"):
        return quote(value, safe="/~")  # which leads nowhere upwards
    if value in (".", ".."):
        raise _refused(name, "must not lead upwards.")
    return encoded(value)


def _in_header(name: str, value: str) -> str:
    if not (value.isascii() and value.isprintable()) or len(value) > HEADER_BYTES_MAX:
        raise _refused(name, "must be one line of plain letters.")
    return value


def _in_body(media: str, value: str) -> str:
    if _is_json(media):
        return msgspec.json.encode(value).decode()[1:-1]
    return encoded(value) if media == FORM else value


def _refused(name: str, message: str) -> InvalidArguments:
    return InvalidArguments((Issue(f"/{name}" if name else "", "invalid_format", message),))
