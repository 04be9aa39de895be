"""Tools that run in a jail, and do there what they are not granted."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path
from typing import Annotated

from lichen.core.cage.grant import Grant
from lichen.core.ports.secrets import Secret
from lichen.tools import tool

ROOM = Path("/var/tmp/lichen-test-jailed")
_kept: list[int] = []


@tool(name="jailed.add", effects="none", runs="jail")
def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


def plain(a: int) -> int:
    """Gives it back."""
    return a


@tool(name="jailed.read", effects="none", runs="jail")
def read(path: str) -> str:
    """Reads a file, wherever it lies."""
    return Path(path).read_text()


@tool(name="jailed.write", runs="jail")
async def write(path: str) -> str:
    """Writes a file, wherever it lies."""
    Path(path).write_text("stolen")  # noqa: ASYNC240 - alone in its process
    return path


@tool(name="jailed.keep", runs="jail", cage=Grant(writes=(str(ROOM),)))
def keep(name: str, text: str) -> str:
    """Writes a file where it may, and reads it again."""
    (ROOM / name).write_text(text)
    return (ROOM / name).read_text()


@tool(name="jailed.fetch", effects="none", runs="jail")
def fetch(url: str) -> str:
    """Fetches a page, wherever it lies."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@tool(name="jailed.count", effects="none", runs="jail")
def count() -> int:
    """How often this process was asked."""
    _kept.append(1)
    return len(_kept)


@tool(name="jailed.environment", effects="none", runs="jail")
def environment() -> dict[str, str]:
    """Everything that it is told."""
    return dict(os.environ)


@tool(name="jailed.whisper", effects="none", runs="jail")
def whisper(*, key: Annotated[Secret, "till.key"]) -> int:
    """How long a secret is, which it is handed."""
    return len(key.reveal())


@tool(name="jailed.hoard", effects="none", runs="jail", cage=Grant(memory_mb=128))
def hoard(mib: int) -> int:
    """Takes so much memory."""
    return len(b"x" * (mib * 1024 * 1024))


@tool(name="jailed.hang", runs="jail")
def hang() -> None:
    """Never ends."""
    while True:
        pass
