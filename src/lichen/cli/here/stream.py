"""Server-sent events as they are read from a socket: frames, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

LINE_BYTES_MAX: Final = 64 * 1024 * 1024


class StreamCut(Exception):
    """The stream ended without saying so: whoever read it goes on after the last frame that came."""


class Frame(NamedTuple):
    """One event: where it is in the log (empty for what is nowhere), its name, and its data."""

    id: str
    event: str
    data: Any


def frames(lines: Iterable[bytes]) -> Iterator[Frame]:
    """The frames of these lines. Comments and what has no end are nothing."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        if not name and not value:
            if "data" in fields:
                yield Frame(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}
        elif name:
            fields[name] = value.removeprefix(" ")
