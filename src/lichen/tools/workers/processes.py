"""Worker processes: a call that crashes, hangs or is cancelled takes down only the process it ran in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress

from lichen.core.ports.call import NotDone
from lichen.tools.workers.frames import FRAME_BYTES_MAX, PREFIX, Answer, Job, ToolFailed, pack, unpack_answer

# A fresh interpreter, never a fork. Its first line of input is our search path, so it finds the same modules.
BOOT = (
    "import json, sys; sys.path[:] = json.loads(open(0, 'rb', buffering=0, closefd=False).readline()); "
    "from lichen.tools.python.worker import serve; serve()"
)


class Processes:
    """Worker processes, each serving one call at a time and kept for the next. Whoever asks bounds how many."""

    def __init__(self) -> None:
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._is_closed = False

    async def ask(self, job: Job) -> Answer:
        """The answer of a worker process to `job`.

        The process is killed when the caller is cancelled, and it is gone before this returns. Raises NotDone if no
        process took the job, ToolFailed (`worker_crashed`) if one did and ended without an answer.
        """
        process = await self._take()
        try:
            answer = await process.ask(pack(job))
        except BaseException:
            await self._discard(process)
            raise
        self._idle.append(process)
        return answer

    async def close(self) -> None:
        """Kills every process and waits until they are gone."""
        self._is_closed = True
        await asyncio.gather(*(self._discard(process) for process in tuple(self._all)))

    async def _take(self) -> WorkerProcess:
        if self._is_closed:
            raise NotDone("The workers are closed.", code="workers_closed")
        while self._idle:
            if (process := self._idle.pop()).is_alive:
                return process
            self._all.discard(process)
        try:
            process = await _start()
        except (OSError, asyncio.CancelledError):
            raise NotDone("No process could be started in time.", code="not_started") from None
        self._all.add(process)
        if self._is_closed:
            await self._discard(process)
            raise NotDone("The workers are closed.", code="workers_closed")
        return process

    async def _discard(self, process: WorkerProcess) -> None:
        process.kill()
        self._all.discard(process)
        await process.wait()


class WorkerProcess:
    """One worker process and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @property
    def is_alive(self) -> bool:
        """Whether the process can take a job."""
        return self._process.returncode is None and not _has_ended(self._process.pid)

    def introduce(self, search_path: list[str]) -> None:
        """Tells the process where modules are found."""
        self._stdin.write(json.dumps(search_path).encode() + b"\n")

    async def ask(self, frame: bytes) -> Answer:
        """The process's answer to the job in `frame`. Raises ToolFailed if it ends without one."""
        try:
            self._stdin.write(frame)
            await self._stdin.drain()
            (size,) = PREFIX.unpack(await self._stdout.readexactly(PREFIX.size))
            if size > FRAME_BYTES_MAX:
                raise _crashed("sent an oversized answer")
            return unpack_answer(await self._stdout.readexactly(size))
        except (OSError, RuntimeError, asyncio.IncompleteReadError):  # RuntimeError: a pipe of uvloop that has closed
            raise _crashed("ended before it answered") from None

    def kill(self) -> None:
        """Kills the process and whatever it has started, at once."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def wait(self) -> None:
        """Returns when the process is gone and its pipes are closed."""
        self._stdin.close()
        await self._process.wait()


async def _start() -> WorkerProcess:
    """A worker process in a session of its own: the terminal's signals do not reach it, its children die with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", BOOT, stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    started = WorkerProcess(process)
    started.introduce(search_path())
    return started


def search_path() -> list[str]:
    """Where a worker process finds the modules that we find."""
    return [os.path.abspath(path) for path in sys.path]  # noqa: PTH100 - an empty one is where we are


def _has_ended(pid: int) -> bool:
    """Whether a child is gone already, also where the event loop was not told yet."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _crashed(how: str) -> ToolFailed:
    return ToolFailed(f"The tool's process {how}.", code="worker_crashed")
