"""Lives without the time it takes to import what they need: a process that has all of it forks one for each.

A life is a process of its own, and a kill -9 ends it as it ends any other. `python -m tests.crash.nest MODULE` reads a
line of JSON for each life, what its `main` finds in `sys.argv` and a file for what it says, and writes how it ended.
A module's `warm` does before what every life of it would; what of ours a life that did not die had to import, those
after it find imported.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Sequence, Set
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LIFE_S = 90


class Ended(NamedTuple):
    """How a life ended: its exit code, and the last of what it said."""

    code: int
    said: str

    @property
    def was_killed(self) -> bool:
        """Whether it died at its point."""
        return self.code == -signal.SIGKILL

    @property
    def trouble(self) -> str:
        """What is wrong, for one that was to live to its end."""
        return self.said[-2000:] or f"it ended with {self.code}" if self.code else ""


class Nest:
    """The process that forks lives of one module, one at a time."""

    def __init__(self, module: str) -> None:
        command = [sys.executable, "-m", "tests.crash.nest", module]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def live(self, argv: Sequence[str]) -> Ended:
        """One life."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile(prefix="lichen-life-") as said:
            print(json.dumps({"argv": list(argv), "said": said.name}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
            assert line, "the nest is gone"
            return Ended(int(line), Path(said.name).read_text(errors="replace"))

    def close(self) -> None:
        """Ends it: nothing of it goes on."""
        self._process.communicate(timeout=LIFE_S)


class Nests:
    """As many nests of a module as are wanted at once."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._free: queue.LifoQueue[Nest] = queue.LifoQueue()

    def live(self, argv: Sequence[str]) -> Ended:
        """One life, in whichever nest is free."""
        try:
            nest = self._free.get_nowait()
        except queue.Empty:
            nest = Nest(self._module)
        try:
            return nest.live(argv)
        finally:
            self._free.put(nest)

    def close(self) -> None:
        """Ends them all."""
        while not self._free.empty():
            self._free.get().close()


@contextmanager
def nests(module: str) -> Generator[Nests]:
    """The nests of a module, while they are wanted."""
    made = Nests(module)
    try:
        yield made
    finally:
        made.close()


def serve(module: str) -> None:
    """Forks lives until nobody asks for more."""
    found = import_module(module)
    main: Callable[[], None] = found.main
    if hasattr(found, "warm"):
        found.warm()
    assert threading.active_count() == 1, "a fork takes no other thread with it"
    for line in sys.stdin:
        asked = json.loads(line)
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            _live(main, asked["argv"], asked["said"], write)
        os.close(write)
        with os.fdopen(read) as told:
            needed = told.read().split()
        _, status = os.waitpid(pid, 0)
        for name in needed:
            import_module(name)
        assert threading.active_count() == 1, "a fork takes no other thread with it"
        print(os.waitstatus_to_exitcode(status), flush=True)


def _live(main: Callable[[], None], argv: list[str], said: str, told: int) -> None:
    code, known = 1, set(sys.modules)
    try:
        signal.alarm(LIFE_S)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(said, os.O_WRONLY)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = ["life", *argv]
        main()
        _tell(told, known)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:  # noqa: BLE001 - whoever asked for this life is told
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell(told: int, known: Set[str]) -> None:
    """Says which modules of ours were not imported yet, in the order in which they were."""
    needed = [name for name in list(sys.modules) if name.startswith("lichen.") and name not in known]
    with os.fdopen(told, "w") as pipe:
        pipe.write("\n".join(needed))


if __name__ == "__main__":
    serve(sys.argv[1])
