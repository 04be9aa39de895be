"""From a component's source to its bytes, in a folder that is made for it and gone afterwards.

Building runs the author's code on this machine: modules of Python and JavaScript are run once, and what they made of
memory is part of the component. They see their own files, the time of 1980, and no variable of ours.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lichen.cli.guests.running import BARE, Ran, run
from lichen.cli.guests.source import Language, Source
from lichen.cli.guests.toolchains import Toolchains
from lichen.cli.guests.wit import joined
from lichen.core.words.errors import Invalid

BUILD_TIMEOUT_S: Final = 300.0
THEN: Final = 315_532_800  # 1980-01-01, the time of every file that is built from
TOOLS: Final[Mapping[Language, tuple[str, ...]]] = {
    "python": ("componentize-py", "steady"),
    "javascript": ("qjs", "steady"),
    "c": ("zig", "jco"),
}
C_FLAGS: Final = (
    *("-target", "wasm32-freestanding", "-std=c11", "-O2", "-nostdlib", "-Wall", "-Wextra", "-Werror=return-type"),
    *("-Wl,--no-entry", "-Wl,--strip-all"),
)  # fmt: skip
RUN_PYTHON: Final = (
    "import sys; from componentize_py import script; sys.argv[0] = 'componentize-py'; sys.exit(script())"
)


def compiled(source: Source, tools: Toolchains) -> bytes:
    """The component. Raises Invalid (`component_build_failed`), and what `Toolchains` raises."""
    with tempfile.TemporaryDirectory(prefix="lichen-build-") as made:
        stage = Path(made)
        laid(source, stage)
        match source.language:
            case "python":
                _python(source, stage, tools)
            case "javascript":
                _javascript(source, stage, tools)
            case "c":
                _c(source, stage, tools)
        return (stage / "out.wasm").read_bytes()


def laid(source: Source, stage: Path) -> None:
    """The source below a folder, as every build finds it: the same names, times and nothing else."""
    held = {f"src/{path}": data for path, data in source.files.items()}
    for path, data in {**held, "component.wit": joined(source.wit).encode()}.items():
        file = stage / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        os.utime(file, (THEN, THEN))
    for folder in ("tmp", "none", "out"):
        (stage / folder).mkdir()


def _python(source: Source, stage: Path, tools: Toolchains) -> None:
    where = tools.python("componentize-py")
    words = ["-q", "-d", "component.wit", "-w", source.world, "componentize", "-p", "src"]
    command = [sys.executable, "-c", RUN_PYTHON, *words, "-s", "-o", "out.wasm", source.entry.removesuffix(".py")]
    more = {"PYTHONPATH": str(where), "VIRTUAL_ENV": str(stage / "none"), "STEADY_FILES": "1"}
    _done(run(command, cwd=stage, env=_env(stage, tools.steady(), more), timeout_s=BUILD_TIMEOUT_S), source)


def _javascript(source: Source, stage: Path, tools: Toolchains) -> None:
    script, node = tools.npm("qjs") / "build.mjs", tools.node().node
    places = [stage / "src" / source.entry, stage / "src", stage / "component.wit"]
    command = [node, script, *places, source.world, stage / "out.wasm"]
    _done(run(command, cwd=stage, env=_env(stage, tools.steady()), timeout_s=BUILD_TIMEOUT_S), source)


def _c(source: Source, stage: Path, tools: Toolchains) -> None:
    zig, script, node = tools.zig(), tools.npm("jco") / "build.mjs", tools.node().node
    env = _env(stage, None, {name: str(stage / "tmp") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")})
    units = [f"src/{path}" for path in sorted(source.files) if path.endswith(".c")]
    command = [zig, "cc", *C_FLAGS, "-Isrc", *units, "-o", "core.wasm"]
    _done(run(command, cwd=stage, env=env, timeout_s=BUILD_TIMEOUT_S), source)
    command = [node, script, "core.wasm", "component.wit", source.world, "out.wasm"]
    _done(run(command, cwd=stage, env=env, timeout_s=BUILD_TIMEOUT_S), source)


def _env(stage: Path, steady: Path | None, more: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """All that the tools have of an environment."""
    held = {**BARE, "HOME": str(stage), "TMPDIR": str(stage / "tmp"), **(more or {})}
    return held if steady is None else {**held, "LD_PRELOAD": str(steady)}


def _done(ran: Ran, source: Source) -> None:
    if ran.code == 0:
        return
    said = "\n".join(ran.lines) or f"it ended with {ran.code}"
    if ran.code is None:
        said = f"it was not done after {BUILD_TIMEOUT_S:.0f} s\n{said}"
    message = f"It cannot be built:\n{said}"
    step = "Correct what the compiler names; paths are below the component's folder."
    raise Invalid(message, code="component_build_failed", next_step=step, place=str(source.folder))
