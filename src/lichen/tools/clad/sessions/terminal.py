"""A program at a terminal in its jail: what is said to it, and what it answers until it is ready for more.

The terminal is made inside the jail, by a process of ours that passes on what either side says. It shows nothing of
what is typed, and the program is ready where its last line fits the manifest's pattern.

Source: ToolClad, session mode.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, NamedTuple, Protocol

from lichen.tools.clad.runner import Job

LINE_BYTES_MAX: Final = 4_000  # a terminal takes no longer line
PROMPT_CHARS_MAX: Final = 4_096
SETTLES_S: Final = 0.02
_READ_BYTES: Final = 65_536
_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]"
)
RELAY: Final = """
import os, pty, select, sys, termios
pid, terminal = pty.fork()
if not pid:
    said = termios.tcgetattr(0)
    said[1] &= ~termios.OPOST
    said[3] &= ~termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, said)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    finally:
        os._exit(127)
while True:
    ready, _, _ = select.select([0, terminal], [], [])
    for source, to in ((terminal, 1), (0, terminal)):
        if source in ready:
            try:
                data = os.read(source, 65536)
            except OSError:
                data = b""
            if not data:
                sys.exit()
            while data:
                data = data[os.write(to, data):]
"""


class Running(Protocol):
    """A process in a jail, whose standard streams are pipes."""

    @property
    def process(self) -> asyncio.subprocess.Process:
        """Its streams, and its exit."""
        ...

    async def end(self) -> None:
        """Kills it, and returns once all of it is gone."""
        ...


class Start(Protocol):
    """Starts a program in a jail. Raises NotDone where it was not started."""

    async def __call__(self, job: Job, /) -> Running:
        """The program."""
        ...


class Ended(Exception):
    """The program ended before it was ready."""


class Said(NamedTuple):
    """What came before the program was ready again, and the line with which it says so."""

    output: str
    prompt: str
    state: str
    is_cut: bool


class Terminal:
    """One program. `ready` is the pattern of its prompt, of which a group `state` says in what state it is."""

    def __init__(self, running: Running, ready: re.Pattern[str], output_bytes_max: int) -> None:
        self._running, self._ready, self._most = running, ready, output_bytes_max
        self._ending: asyncio.Future[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it can be said anything."""
        return self._running.process.returncode is None

    async def say(self, line: str) -> Said:
        """What it answers to a line. Raises Ended."""
        stdin = self._running.process.stdin
        assert stdin is not None
        try:
            stdin.write(line.encode() + b"\n")
            await stdin.drain()
        except (ConnectionError, RuntimeError):  # as a pipe of uvloop says it
            raise Ended from None
        return await self.answer(line)

    async def answer(self, line: str = "") -> Said:
        """What it says until it is ready. Raises Ended."""
        stdout = self._running.process.stdout
        assert stdout is not None
        kept, last, is_cut, data = bytearray(), b"", False, b""
        while True:
            data = data or await stdout.read(_READ_BYTES)
            if not data:
                raise Ended
            is_cut = is_cut or len(kept) + len(data) > self._most
            kept += data[: max(self._most - len(kept), 0)]
            last, data = (last + data)[-PROMPT_CHARS_MAX:], b""
            prompt = _plain(last).rpartition("\n")[2]
            found = self._ready.search(prompt)
            if found is not None:
                try:
                    data = await asyncio.wait_for(stdout.read(_READ_BYTES), SETTLES_S)
                except TimeoutError:  # nothing comes after what looks like the prompt, so it is that
                    return Said(_framed(_plain(bytes(kept)), line, prompt), prompt, _state(found), is_cut)
                if not data:
                    raise Ended

    async def end(self) -> None:
        """Ends it, with all that it started; once, whoever asks."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._running.end())
        await asyncio.shield(self._ending)


def _state(found: re.Match[str]) -> str:
    return found.groupdict().get("state") or "ready"


def _plain(data: bytes) -> str:
    """Without colours, moves of the cursor and other letters that steer a terminal."""
    return _ESCAPES.sub("", data.decode(errors="replace").replace("\r\n", "\n"))


def _framed(text: str, line: str, prompt: str) -> str:
    """What was said between the line and the prompt; some programs show again what is typed."""
    text = text.removesuffix(prompt)
    return text.removeprefix(line).lstrip("\n") if line and text.startswith(line) else text
