"""One measured figure, beside the peer it must beat, and how it is measured: in turns, in the same minutes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

ROOT = Path(__file__).resolve().parents[1]
PEER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
ROUNDS = 5  # alternations with the peer; the median counts

Better = Literal["lower", "higher"]


class Must(msgspec.Struct, frozen=True):
    """What a figure, or how far it is ahead of its peer, has to reach."""

    at: float
    of: Literal["value", "ratio"] = "value"

    def text(self, unit: str, better: Better) -> str:
        """As the table says it."""
        if self.of == "ratio":
            return f"≥ {self.at:g}x"
        return f"{'≤' if better == 'lower' else '≥'} {self.at:,g} {unit}"


class Figure(msgspec.Struct):
    """`ratio` above 1 means ahead of the peer. `cpu_us` and `barriers` are per unit of `name`; `key` names the figure
    in the history, whatever the table calls it; `floor` is the least that is possible here, measured of `floor_of`."""

    key: str
    name: str
    value: float
    unit: str
    better: Better
    cpu_us: float | None = None
    barriers: float | None = None
    peer: str | None = None
    peer_version: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    fsync_us_p50: float | None = None
    must: Must | None = None
    is_met: bool | None = None
    floor: float | None = None
    floor_of: str | None = None

    def beside(self, peer: str, version: str, value: float) -> Figure:
        """This figure next to a peer's."""
        ratio = value / self.value if self.better == "lower" else self.value / value
        return msgspec.structs.replace(
            self, peer=peer, peer_version=version, peer_value=round(value, 3), ratio=round(ratio, 3)
        )

    def held_to(self, at: float, *, of: Literal["value", "ratio"] = "value") -> Figure:
        """This figure with what it has to reach."""
        must = Must(at, of)
        if of == "ratio":
            is_met = (self.ratio or 0.0) >= at
        else:
            is_met = self.value <= at if self.better == "lower" else self.value >= at
        return msgspec.structs.replace(self, must=must, is_met=is_met)

    def above(self, floor: float, of: str) -> Figure:
        """This figure with the least it could be here, and what that was measured of."""
        return msgspec.structs.replace(self, floor=round(floor, 3), floor_of=of)


def fsync_us_p50(samples: int = 200) -> float:
    """What the disk takes for a small fdatasync, now."""
    with tempfile.NamedTemporaryFile(dir=ROOT) as file:
        times: list[float] = []
        for _ in range(samples):
            os.write(file.fileno(), b"x" * 400)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e6, 1)


def run_peer(
    script: str,
    *args: str,
    input: str | None = None,
    python: Path = PEER_PYTHON,
    env: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """The JSON a peer's script prints. It may import what is the same for all of them from `bench.peers`."""
    known = {**env, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        command = [str(python), str(ROOT / "bench" / "peers" / script), str(Path(folder) / "peer.sqlite"), *args]
        done = subprocess.run(command, capture_output=True, text=True, input=input, check=False, timeout=600, env=known)
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_own(module: str, *args: str, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The JSON one of our measurements prints, in a process of its own."""
    command = [sys.executable, "-m", f"bench.{module}", *args]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=600, env=env)
    if done.returncode:
        raise SystemExit(f"bench.{module} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
