"""The real command without the time it takes to import: a process that has what it needs forks one for each.

Each is a process of its own, with its own arguments, folder, environment and streams, and runs what `python -m
lichen.cli` runs. What a command had to import, those after it find imported. `python -m tests.forge` reads a line
of JSON for each and writes how it ended.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MODULE = "lichen.cli"
COMMAND_S = 60
TEXT_BYTES_MAX = 32_768  # fits into a pipe that nobody reads yet


class Asked(NamedTuple):
    """A command that is to be run."""

    argv: list[str]
    text: str
    folder: str
    environ: dict[str, str]
    merged: bool


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Forge:
    """The process that forks commands, one at a time, and begins when the first is asked for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        *,
        text: str = "",
        merged: bool = False,
    ) -> Done:
        """The command, ended; `merged`, with its errors among what it says. It is a process from the start where its
        interpreter is told something else than ours is, or another one is under way."""
        asked = Asked(list(arguments), text, str(folder), dict(environ), merged)
        is_ours = _of_interpreter(environ) == _of_interpreter(os.environ)
        if not is_ours or len(text.encode()) > TEXT_BYTES_MAX or not self._turn.acquire(blocking=False):
            return started(asked)
        try:
            return self._forked(asked)
        finally:
            self._turn.release()

    def _forked(self, asked: Asked) -> Done:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forge"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            atexit.register(self.close)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            said_in = (out.name, out.name if asked.merged else err.name)
            print(json.dumps([asked, said_in]), file=process.stdin, flush=True)
            line = process.stdout.readline()
            assert line, "the forge is gone"
            said = [Path(each.name).read_text(encoding="utf-8") for each in (out, err)]
        if int(line) == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(asked.argv, COMMAND_S, *said)
        return Done(int(line), *said)

    def close(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.communicate(timeout=COMMAND_S)
            self._process = None


FORGE = Forge()


def _of_interpreter(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("PYTHON")}


def started(asked: Asked) -> Done:
    """The command as a shell would start it, ended."""
    done = subprocess.run(
        [sys.executable, "-m", MODULE, *asked.argv],
        input=asked.text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if asked.merged else subprocess.PIPE,
        text=True,
        timeout=COMMAND_S,
        check=False,
        cwd=asked.folder,
        env=asked.environ,
    )
    return Done(done.returncode, done.stdout, done.stderr or "")


# -- the process that forks ----------------------------------------------------------------------------------------


def serve() -> None:
    """Forks commands until nobody asks for more."""
    import_module(f"{MODULE}.app")
    for line in sys.stdin:
        assert threading.active_count() == 1, "a fork takes no other thread with it"
        asked, said_in = json.loads(line)
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            _run(Asked(*asked), said_in, write)
        os.close(write)
        with os.fdopen(read) as told:
            needed = told.read().split()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
        for name in needed:
            with suppress(ImportError):
                import_module(name)


def _run(asked: Asked, said_in: Sequence[str], told: int) -> None:
    code, known = 1, set(sys.modules)
    try:
        signal.alarm(COMMAND_S)
        _take_place(asked, said_in)
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        _tell(told, known)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _take_place(asked: Asked, said_in: Sequence[str]) -> None:
    """The process has the arguments, the folder, the environment and the streams of the command."""
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.environ)
    sys.argv, sys.path[0] = [MODULE, *asked.argv], asked.folder
    read, write = os.pipe()
    os.write(write, asked.text.encode())
    os.close(write)
    os.dup2(read, 0)
    os.close(read)
    for number, name in enumerate(said_in, start=1):
        opened = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)


def _tell(told: int, known: Set[str]) -> None:
    """Says what was imported that was not yet, in the order in which it was: of ours, and of what is installed."""
    found = [
        (name, getattr(each, "__file__", None) or "") for name, each in list(sys.modules.items()) if name not in known
    ]
    needed = [name for name, file in found if name.startswith("lichen.") or "site-packages" in file]
    with os.fdopen(told, "w") as pipe:
        pipe.write("\n".join(needed))


if __name__ == "__main__":
    serve()
