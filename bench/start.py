"""How long it takes to start: `import lichen`, `lichen --help`, beside an empty interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from bench.figure import PEER_PYTHON, Figure

ROUNDS = 11


def figures() -> list[Figure]:
    """Both, measured in turns with the peers' imports."""
    lichen = Path(sys.executable).with_name("lichen")
    own_import = [sys.executable, "-c", "from lichen import Agent, Runtime, tool"]
    peer_import = [str(PEER_PYTHON), "-c", "import pydantic_ai"]
    show_help = [str(lichen), "--help"]
    times = _alternating([own_import, peer_import, show_help])
    peer_version = subprocess.run(
        [str(PEER_PYTHON), "-c", "from importlib.metadata import version; print(version('pydantic-ai-slim'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    imported = Figure("import lichen (Agent, Runtime, tool)", round(times[0], 3), "s", "lower")
    return [
        imported.beside("import pydantic_ai", peer_version, times[1]),
        Figure(f"lichen --help ({version('lichen')})", round(times[2] * 1e3, 1), "ms", "lower"),
    ]


def _alternating(commands: list[list[str]]) -> list[float]:
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(ROUNDS):
        for i, command in enumerate(commands):
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            times[i].append(time.perf_counter() - began)
    return [statistics.median(t) for t in times]
