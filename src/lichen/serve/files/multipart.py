"""The parts of a multipart body (RFC 7578) that is at hand as a whole: so many of them, each with a bounded head.

Nothing of it goes to a file on the way: what customers send lies on disk sealed, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Final, NamedTuple

from lichen.core.words.errors import Invalid

PARTS_MAX: Final = 12
HEAD_BYTES_MAX: Final = 4 * 1024
BOUNDARY_CHARS_MAX: Final = 70


class Part(NamedTuple):
    """One part: its field's name, the name of its file, the media type it is declared to have, and its bytes."""

    name: str
    filename: str
    media_type: str
    data: bytes


def parts_of(content_type: str, body: bytes) -> tuple[Part, ...]:
    """The parts of a body. Raises Invalid (`multipart_invalid`)."""
    boundary = _parameters(content_type).get("boundary", "")
    if not 0 < len(boundary) <= BOUNDARY_CHARS_MAX or not boundary.isascii():
        raise _invalid("The boundary is missing, or no boundary.")
    found: list[Part] = []
    for piece in _pieces(b"--" + boundary.encode(), body):
        if len(found) == PARTS_MAX:
            raise _invalid(f"There are more than {PARTS_MAX} parts.")
        found.append(_part(piece))
    return tuple(found)


def _pieces(mark: bytes, body: bytes) -> Iterator[memoryview]:
    """What lies between two boundaries, each with its head."""
    whole = memoryview(body)
    at = 0 if body.startswith(mark) else body.find(b"\r\n" + mark, 0, HEAD_BYTES_MAX) + 2
    if not body.startswith(mark, at):
        raise _invalid("It does not begin with its boundary.")
    at += len(mark)
    while body[at : at + 2] != b"--":
        end = body.find(b"\r\n" + mark, at)
        if body[at : at + 2] != b"\r\n" or end < 0:
            raise _invalid("A part does not end with the boundary.")
        yield whole[at + 2 : end]
        at = end + 2 + len(mark)


def _part(piece: memoryview) -> Part:
    head, gap, _ = bytes(piece[:HEAD_BYTES_MAX]).partition(b"\r\n\r\n")
    if not gap:
        raise _invalid("The head of a part is missing, or too long.")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    said = _parameters(headers.get("content-disposition", ""))
    data = bytes(piece[len(head) + len(gap) :])
    return Part(said.get("name", ""), said.get("filename", ""), headers.get("content-type", ""), data)


def _parameters(value: str) -> Mapping[str, str]:
    """The parameters of a header, decoded where they are encoded (RFC 2231)."""
    message = Message()
    message["content-type"] = value.replace("\r", " ").replace("\n", " ")
    found: dict[str, str] = {}
    for name, given in (message.get_params() or [])[1:]:
        text = str(given[2]) if isinstance(given, tuple) else str(given)
        found.setdefault(name.rstrip("*").lower(), text)
    return found


def _invalid(message: str) -> Invalid:
    step = "Send multipart/form-data with a file in each part."
    return Invalid(message, code="multipart_invalid", next_step=step)
