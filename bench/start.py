"""How long it takes to start: `import lichen`, `lichen --help`, as pip installs it (with bytecode), and without.

Both are copies of the source; one is compiled as pip does. `PYTHONDONTWRITEBYTECODE` of this machine is left out.
"""

from __future__ import annotations

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import PEER_PYTHON, ROOT, Figure
from bench.floors import libraries

ROUNDS = 11
IMPORT = "from lichen import Agent, Runtime, tool"
HELP = "import lichen.cli.app, sys; sys.argv = ['lichen', '--help']; lichen.cli.app.main()"


def figures() -> list[Figure]:
    """Both, measured in turns with the peer's import and with what remains without a line of ours."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        plain, compiled = copies(Path(folder))
        times = _alternating(
            {
                "import": ([sys.executable, "-c", IMPORT], compiled),
                "import, plain": ([sys.executable, "-c", IMPORT], plain),
                "libraries": ([sys.executable, "-c", _imports(IMPORT)], plain),
                "peer": ([str(PEER_PYTHON), "-c", "import pydantic_ai"], plain),
                "help": ([sys.executable, "-c", HELP], compiled),
                "help, plain": ([sys.executable, "-c", HELP], plain),
                "libraries of help": ([sys.executable, "-c", _imports("import lichen.cli.app")], plain),
            }
        )
    imported = Figure("import", "import lichen (Agent, Runtime, tool)", round(times["import"], 3), "s", "lower")
    shown = Figure("help", "lichen --help", round(times["help"] * 1e3, 1), "ms", "lower")
    of = "an interpreter with the libraries it loads"
    return [
        imported.beside("import pydantic_ai", _peer_version(), times["peer"])
        .held_to(0.25)
        .above(times["libraries"], of),
        Figure("import plain", "import lichen, no bytecode of it", round(times["import, plain"], 3), "s", "lower"),
        shown.held_to(110).above(times["libraries of help"] * 1e3, of),
        Figure("help plain", "lichen --help, no bytecode of it", round(times["help, plain"] * 1e3, 1), "ms", "lower"),
    ]


def copies(folder: Path) -> tuple[Path, Path]:
    """The source without bytecode, and with."""
    plain, compiled = folder / "plain", folder / "compiled"
    for copy in (plain, compiled):
        shutil.copytree(ROOT / "src" / "lichen", copy / "lichen", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(compiled, quiet=1)
    return plain, compiled


def _imports(code: str) -> str:
    """Imports the modules of others that `code` does."""
    loop = f"for name in {libraries(code)!r}:\n    with suppress(Exception):\n        __import__(name)"
    return f"from contextlib import suppress\n{loop}"


def _peer_version() -> str:
    tell = "from importlib.metadata import version; print(version('pydantic-ai-slim'))"
    return subprocess.run([str(PEER_PYTHON), "-c", tell], capture_output=True, text=True, check=True).stdout.strip()


def _alternating(commands: dict[str, tuple[list[str], Path]]) -> dict[str, float]:
    """The median seconds of each, in turns. Nobody writes bytecode meanwhile; what is there is used."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, (command, place) in commands.items():
            own = {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True, env=os.environ | own)
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in times.items()}
