"""The inside of a worker process: takes jobs from standard input, runs their tools, and answers on standard output.

A tool never sees those two pipes: what it prints goes to standard error, and its own standard input is empty.
The process ends with its parent.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import threading
from contextlib import suppress
from io import BufferedReader
from queue import SimpleQueue
from typing import Any, cast

import msgspec

from lichen.core.ports.call import NeedsAnswer, NotDone, produced
from lichen.core.words.errors import LichenError
from lichen.tools.failure import failure_of
from lichen.tools.python.tool import PythonTool
from lichen.tools.workers.frames import (
    PREFIX,
    Answer,
    Asked,
    Job,
    Raised,
    Refused,
    Returned,
    ToolFailed,
    pack,
    unpack_job,
)

_PR_SET_PDEATHSIG = 1


def serve() -> None:
    """Answers one job after the other until the parent closes the pipe or dies. Modules that are named to the program
    are imported before the first."""
    requests, answers = _claim_pipes()
    _die_with_parent()
    jobs: SimpleQueue[Job] = SimpleQueue()
    threading.Thread(target=_pump, args=(requests, jobs), daemon=True).start()
    for module in sys.argv[1:]:
        with suppress(BaseException):  # whoever calls a tool of it is told
            importlib.import_module(module)
    with os.fdopen(answers, "wb", buffering=0) as out:
        while True:
            _write(out.fileno(), pack(answer(jobs.get())))


def answer(job: Job) -> Answer:
    """What becomes of `job`. A tool that cannot be found, or has changed on disk, is refused before it starts."""
    try:
        tool = _find(job)
        made = produced(tool.run(job.args, job.meta))
        return Returned(made.result, made.artifacts)
    except NeedsAnswer as asked:
        return Asked(asked.question, msgspec.json.encode(asked.schema), asked.state, asked.asker, asked.expires_s)
    except NotDone as error:
        return Refused(
            error.message,
            error.code,
            error.retryable,
            failure_of(error),
            error.issues,
            error.recovery,
            error.foreign_code,
            error.pause_s,
        )
    except LichenError as error:
        return Raised(error.message, error.code, error.next_step, failure_of(error))
    except BaseException as error:  # noqa: BLE001 - exit included: the process serves the next call
        return Raised(
            f"The tool raised {type(error).__name__}.", ToolFailed.code, ToolFailed.next_step, failure_of(error)
        )


def _find(job: Job) -> PythonTool[..., Any]:
    try:
        found: Any = importlib.import_module(job.module)
        for name in job.name.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise NotDone("The tool's module cannot be imported.", code="tool_unavailable", retryable=False) from error
    tool = cast("PythonTool[..., Any]", found)
    if not isinstance(found, PythonTool) or tool.spec.digest != job.digest:
        raise NotDone("The tool's code has changed.", code="tool_changed", retryable=False)
    return tool


def _claim_pipes() -> tuple[int, int]:
    """Keeps our pipes under new descriptors and puts nothing and standard error where a tool would find them."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


def _pump(requests: int, jobs: SimpleQueue[Job]) -> None:
    """Hands over jobs until the parent is gone, and then ends the process, whatever it is doing."""
    with os.fdopen(requests, "rb") as pipe:
        while body := _frame(pipe):
            jobs.put(unpack_job(body))
    os._exit(0)


def _frame(pipe: BufferedReader) -> bytes:
    prefix = pipe.read(PREFIX.size)
    return pipe.read(PREFIX.unpack(prefix)[0]) if len(prefix) == PREFIX.size else b""


def _write(descriptor: int, frame: bytes) -> None:
    while frame:
        frame = frame[os.write(descriptor, frame) :]


def _die_with_parent() -> None:
    """Asks Linux to kill this process with its parent: a tool that never releases the interpreter is stopped too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
