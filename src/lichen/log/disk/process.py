"""Which process this is, in words by which another on the same machine can tell whether it has ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES: Final = Path("/proc/self/ns/pid")


def this_process() -> str:
    """This process: where its number counts, its number, and when it began."""
    return f"{_here()}/{os.getpid()}/{_begun(os.getpid())}"


def has_ended(process: str) -> bool:
    """Whether a process that `this_process` told of has certainly ended: it was of this machine and is not there."""
    where, _, rest = process.rpartition("/")
    where, _, number = where.rpartition("/")
    return bool(where) and where == _here() and number.isdecimal() and _begun(int(number)) != rest


def _here() -> str:
    """This machine since it was started, as far as processes are numbered together; empty where nobody can tell."""
    try:
        return f"{_BOOT.read_text().strip()}/{_PROCESSES.readlink()}"
    except OSError:
        return ""


def _begun(number: int) -> str:
    """When a process began, in ticks since the machine did; empty when it is not there, or only waits to be buried."""
    try:
        state, *rest = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]
