"""A tool of others run with nothing of ours: an environment of a few variables, bounded output, and an end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

LINES_MAX: Final = 60
OUTPUT_BYTES_MAX: Final = 1024 * 1024
LINE_CHARS_MAX: Final = 400
BARE: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "SOURCE_DATE_EPOCH": "315532800",
}


class Ran(NamedTuple):
    """What came of it: its code, None where its time was up, and the last lines that it wrote."""

    code: int | None
    lines: tuple[str, ...]


def run(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], timeout_s: float) -> Ran:
    """Runs a command to its end in a group of processes of its own, which is killed with it. Raises OSError."""
    out = cwd / f".output-{os.getpid()}"
    with out.open("w+b") as file:
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        file.seek(max(0, file.seek(0, os.SEEK_END) - OUTPUT_BYTES_MAX))
        said = file.read(OUTPUT_BYTES_MAX).decode(errors="replace")
    out.unlink(missing_ok=True)
    lines = [line.rstrip()[:LINE_CHARS_MAX] for line in said.splitlines() if line.strip()]
    return Ran(code, tuple(lines[-LINES_MAX:]))
