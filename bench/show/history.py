"""The history: a line for each recorded run, with what it ran on, every figure and every count."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from bench.figure import ROOT, Figure, fsync_us_p50

HISTORY = ROOT / "bench" / "results" / "history.jsonl"
LATEST = ROOT / "bench" / "results" / "latest.json"
LIBRARIES = (
    *("lichen", "uvloop", "msgspec", "pydantic", "cryptography", "starlette", "uvicorn", "cedarpy"),
    *("pydantic-ai-slim", "openai"),  # what our way to a provider is made of
)


class Run(msgspec.Struct, omit_defaults=True):
    """One run of the measurements. `counts` are per turn and per step; `load` is that of the minute before it."""

    commit: str
    date: str
    figures: list[Figure] = msgspec.field(default_factory=list[Figure])
    counts: dict[str, dict[str, float]] = msgspec.field(default_factory=dict[str, dict[str, float]])
    versions: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    machine: str = ""
    load: float | None = None
    fsync_us_p50: float | None = None
    note: str = ""

    def figure(self, key: str) -> Figure | None:
        """The figure under this key, with the peer it must beat where there are several."""
        found = [figure for figure in self.figures if figure.key == key]
        return (
            next((figure for figure in found if figure.must and figure.must.of == "ratio"), found[0]) if found else None
        )

    def peers(self, key: str) -> dict[str, float]:
        """What the peers of a figure took in this run."""
        return {f.peer: f.peer_value for f in self.figures if f.key == key and f.peer and f.peer_value}


def begun() -> Run:
    """A run of this commit on this machine, now."""
    return Run(
        commit=_git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "--", "src") else ""),
        date=_git("log", "-1", "--format=%cI"),
        versions=_versions(),
        machine=f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        load=round(os.getloadavg()[0], 2),
        fsync_us_p50=fsync_us_p50(),
    )


def write(run: Run) -> None:
    """Keeps what there is so far as the latest, so that a run that is cut off leaves its figures."""
    LATEST.parent.mkdir(parents=True, exist_ok=True)
    LATEST.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")


def record(run: Run) -> list[Run]:
    """Adds a run that is whole to the history. Returns all of them, oldest first."""
    with HISTORY.open("ab") as file:
        file.write(msgspec.json.encode(run) + b"\n")
    return read()


def read() -> list[Run]:
    """All recorded runs, oldest first."""
    if not HISTORY.exists():
        return []
    return [msgspec.json.decode(line, type=Run) for line in HISTORY.read_bytes().splitlines() if line.strip()]


def latest() -> Run:
    """The run that was written last, whole or not."""
    return msgspec.json.decode(LATEST.read_bytes(), type=Run)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*args: str) -> str:
    done = subprocess.run(["git", *args], capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout.strip()
