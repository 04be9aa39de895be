"""The head of a request to a proxy, read strictly: what two could read in two ways is refused.

Source: RFC 9112 (HTTP/1.1), RFC 9110 section 7.6.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from lichen.core.words.errors import Invalid
from lichen.tools.egress.addresses import split

HEAD_BYTES_MAX: Final = 64 * 1024
_LINE: Final = re.compile(r"([A-Z]{1,16}) ([!-~]{1,16384}) HTTP/1\.[01]")
_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_OF_ONE_HOP: Final = frozenset(
    ("connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "trailer", "upgrade")
)


class Request(NamedTuple):
    """A request: where it goes, and what is sent there. Of `CONNECT` it is the host alone."""

    method: str
    name: str
    port: int
    target: str
    fields: tuple[tuple[str, str], ...]
    body_bytes: int

    @property
    def is_tunnel(self) -> bool:
        """Whether bytes are to go through as they are."""
        return self.method == "CONNECT"

    def sent(self, added: Mapping[str, str]) -> bytes:
        """The head as the host gets it, with what is added in place of what the sender says."""
        own = {name.lower() for name in added} | _OF_ONE_HOP | {"host"}
        kept = [(name, value) for name, value in self.fields if name.lower() not in own]
        host = self.name if self.port in (80, 443) else f"{self.name}:{self.port}"
        fields = [("Host", host), *kept, *added.items(), ("Connection", "close")]
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def request_of(head: bytes, within: tuple[str, int] | None = None) -> Request:
    """The request that a head is; `within` a tunnel it goes to the host of that. Raises Invalid (`request_refused`)."""
    first, *lines = head.removesuffix(b"\r\n\r\n").decode("latin-1").split("\r\n")
    line = _LINE.fullmatch(first)
    fields = tuple(_field(line) for line in lines)
    if line is None:
        raise _refused("its first line is none")
    method, target = line[1], line[2]
    if within is not None:
        if not target.startswith("/"):
            raise _refused("it is for a proxy")
        return Request(method, *within, target, fields, _body_bytes(fields))
    if method == "CONNECT":
        name, port = _split(target)
        if port is None:
            raise _refused("it names no port")
        return Request(method, name, port, "", fields, 0)
    return _absolute(method, target, fields)


def _absolute(method: str, target: str, fields: tuple[tuple[str, str], ...]) -> Request:
    url = urlsplit(target)
    if url.scheme != "http" or "@" in url.netloc:
        raise _refused("its target is no http:// URL")
    name, port = _split(url.netloc)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return Request(method, name, port or 80, path, fields, _body_bytes(fields))


def _split(said: str) -> tuple[str, int | None]:
    try:
        return split(said)
    except ValueError:
        raise _refused("its host is none") from None


def _field(line: str) -> tuple[str, str]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise _refused("one of its fields is none")
    return found[1], found[2]


def _body_bytes(fields: tuple[tuple[str, str], ...]) -> int:
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    if any(name.lower() == "transfer-encoding" for name, _ in fields):
        raise _refused("its body comes in chunks; send its length")
    if len(lengths) > 1 or any(not (value.isascii() and value.isdecimal()) or len(value) > 15 for value in lengths):
        raise _refused("the length of its body is none")
    return int(lengths[0]) if lengths else 0


def _refused(why: str) -> Invalid:
    return Invalid(f"The request is refused: {why}.", code="request_refused", next_step="Send one request of HTTP/1.1.")
