"""An agent of five tools with nested arguments and a typed answer: imported and built, built again, asked once.

Ours is read from a copy with bytecode, as pip installs it and as the peers are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.figure import PEER_PYTHON, ROOT, ROUNDS, Figure
from bench.messages import served
from bench.start import copies

BUILDS = 10
OWN = [sys.executable, "-m", "bench.own.build"]
PEERS = {"Pydantic AI": "pydantic_ai", "LangGraph": "langgraph", "OpenAI Agents": "openai_agents"}
MUST = "Pydantic AI"  # the peer that figures are held to


class Told(NamedTuple):
    """What one process said: how many seconds after its start, the seconds of later builds, which version it is of."""

    seconds: float
    times: Sequence[float]
    version: str


class Found(NamedTuple):
    """What the processes of one system said, when their agent was there and when its first answer was."""

    built: list[Told]
    answered: list[Told]

    @property
    def version(self) -> str:
        """The version that was measured."""
        return self.built[-1].version

    @property
    def values(self) -> tuple[float, float, float]:
        """The seconds until it was there and until it answered, and the milliseconds of one more build."""
        return (
            round(statistics.median(each.seconds for each in self.built), 3),
            round(statistics.median(each.seconds for each in self.answered), 3),
            round(statistics.median(statistics.median(each.times) for each in self.built) * 1e3, 2),
        )


def figures(rounds: int = ROUNDS, builds: int = BUILDS) -> list[Figure]:
    """Each beside every peer, in turns. What plays the provider answers at once."""
    own, peers = Found([], []), {name: Found([], []) for name in PEERS}
    commands = {None: OWN} | {name: [str(PEER_PYTHON), f"bench/peers/build_{PEERS[name]}.py"] for name in PEERS}
    with tempfile.TemporaryDirectory(dir=ROOT) as folder, served("-m", "bench.provider") as provider:
        environment = _environment(copies(Path(folder))[1], provider["port"])
        for _ in range(rounds):
            for name, command in commands.items():
                found = own if name is None else peers[name]
                found.built.append(_told([*command, folder, "built", str(builds)], environment))
                found.answered.append(_told([*command, folder, "answered"], environment))
    return compared(own, peers)


def compared(own: Found, peers: Mapping[str, Found]) -> list[Figure]:
    """Ours beside each of the peers; what comes first in the time until an agent is there is its import."""
    built, answered, warm = own.values
    made = (
        Figure("build", "import, and build an agent of 5 tools with a typed answer", built, "s", "lower"),
        Figure("first answer", "the same until its first answer over loopback", answered, "s", "lower"),
        Figure("build warm", "the same agent built once more", warm, "ms", "lower"),
    )
    found: list[Figure] = []
    for i, figure in enumerate(made):
        for name, peer in peers.items():
            beside = figure.beside(name, peer.version, peer.values[i])
            found.append(beside.held_to(1, of="ratio") if name == MUST else beside)
    return found


def _environment(compiled: Path, port: int) -> dict[str, str]:
    own = {"PYTHONPATH": f"{compiled}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return os.environ | own | {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "none"}


def _told(command: list[str], environment: Mapping[str, str]) -> Told:
    """Starts it and waits for the line that it says when it is so far."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
        rest = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return Told(seconds, json.loads(rest or "{}").get("times", ()), json.loads(line)["version"])
