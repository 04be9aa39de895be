"""Files that come with a message: taken out of its data, counted, and sealed beside it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

import msgspec

from lichen.core.speech.attached import File, Lifted, lifted, named, part, placed, weight
from lichen.core.words.content import Content
from lichen.core.words.scope import Actor
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Services

LOOP_BYTES: Final = 48 * 1024  # of files that are read on the loop


async def taken(services: Services, journal: Journal, data: Any) -> Lifted:
    """The data of a message without its files, which a thread reads where they are large. What came today is counted
    when this returns. Raises as `core.speech.attached.lifted`."""
    take = partial(lifted, data, digest=journal.log.digest, bytes_max=services.file_bytes(journal.scope))
    found = await asyncio.to_thread(take) if weight(data) > LOOP_BYTES else take()
    if found.files:
        await journal.log.files.load(services.clock())
    return found


def check_room(services: Services, journal: Journal, actor: Actor, files: tuple[File, ...]) -> None:
    """Raises TooMany (`file_bytes`) where the tenant was sent too much today."""
    if files:
        services.files_quota(journal.scope, actor, sum(file.what.size_bytes for file in files))


def told(data: bytes, files: tuple[File, ...], n: int) -> bytes:
    """The data of a message with its files, as record `n` of its session says it."""
    return msgspec.json.encode(placed(msgspec.json.decode(data), n)) if files else data


def sealed(files: tuple[File, ...], subject: str) -> tuple[Content, ...]:
    """The files as contents of the record of their message."""
    return tuple([Content(part(i), subject, file.data) for i, file in enumerate(files)])


def names(data: Any) -> str:
    """What a message says that is nothing but files: the name of each."""
    return " ".join(f"[{each.name or each.media_type}]" for each in named(data))
