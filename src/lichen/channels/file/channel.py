"""The file sink: every message is a line of JSON, on the disk before it counts as delivered, and there once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from lichen.channels.port import Arrival, ChannelSettings, Guide, Inbound, Question, Setup
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

LOOKED_BACK: Final = 1024 * 1024  # bytes of the file's end in which a message is looked for


class FileSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.file]` may say: the `path` of the file within the project's folder, and how large it becomes
    before it is put aside as `<path>.1`."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
    bytes_max: Annotated[int, msgspec.Meta(ge=4_096)] = 64 * 1024 * 1024


class FileChannel:
    """The file of one tenant. Nothing comes in by it."""

    settings = FileSettings
    guide = Guide("File", (Question("path", "Path", "Within the project's folder, such as out/answers.jsonl."),))

    def __init__(self, setup: Setup[FileSettings]) -> None:
        self.name = setup.name or "file"
        self.traits = Traits("asks", setup.settings.in_doubt)
        self.writes_to = _within(setup.host.root, setup.settings.path)
        self._bytes_max = setup.settings.bytes_max
        self._turn = asyncio.Lock()

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Raises Denied (`channel_one_way`)."""
        raise Denied("Nothing comes in by a file.", code="channel_one_way", next_step="Use another channel.")

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """Nothing."""
        return ()

    def render(self, message: Outbound) -> dict[str, Any]:
        """The line."""
        saying = message.saying
        said: dict[str, Any] = {"id": _id(message), "ts_us": message.queued_at_us, "kind": message.kind}
        said |= {"to": message.address.decode("utf-8", "replace"), "text": saying.text}
        said |= {} if saying.card is None else {"card": saying.card}
        files = [msgspec.structs.asdict(each) for each in saying.attachments]
        return {**said, "attachments": files} if files else said

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Adds the line. Where the disk does not take it, it goes again."""
        async with self._turn:
            try:
                await asyncio.to_thread(self._add, msgspec.json.encode(self.render(message)) + b"\n")
            except OSError as error:
                return Delivery("retry", f"file_{(error.strerror or 'unwritable').lower().replace(' ', '_')}"[:64])
        return Delivery("delivered")

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether the line is there, in the newest of the files."""
        return await asyncio.to_thread(self._ends_with, _id(message).encode())

    # -- in a thread ---------------------------------------------------------------------------------------------

    def _add(self, line: bytes) -> None:
        self.writes_to.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.writes_to, flags, 0o600), "ab") as file:
            if file.tell() and not self._is_whole():
                line = b"\n" + line  # a death cut the last one off
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            is_full = file.tell() >= self._bytes_max
        if is_full:
            self.writes_to.replace(self.writes_to.with_name(f"{self.writes_to.name}.1"))

    def _is_whole(self) -> bool:
        return self._end(1) == b"\n"

    def _ends_with(self, id: bytes) -> bool:
        aside = self.writes_to.with_name(f"{self.writes_to.name}.1")
        wanted = b'"id":"' + id + b'"'
        lines = (self._end(LOOKED_BACK) + b"\n" + self._end(LOOKED_BACK, aside)).splitlines()
        return any(wanted in line and line.endswith(b"}") for line in lines)

    def _end(self, size: int, path: Path | None = None) -> bytes:
        try:
            with (path or self.writes_to).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - size))
                return file.read(size)
        except FileNotFoundError:
            return b""


def _within(root: Path | None, name: str) -> Path:
    """The file. Raises Invalid (`path_outside`) for one that lies elsewhere."""
    folder = (root or Path()).resolve()
    path = folder / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(folder) or path.resolve() == folder:
        step = "Name a file within the project's folder."
        raise Invalid("The file of a channel lies in the project's folder.", code="path_outside", next_step=step)
    return path


def _id(message: Outbound) -> str:
    return f"{message.session}/{message.id}"
