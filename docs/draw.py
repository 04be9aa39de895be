"""Draws `docs/run.svg`: a refund that waited for a person, as `lichen runs show` shows it. `python docs/draw.py`."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

LICHEN = str(Path(sys.executable).with_name("lichen"))
COLUMNS = 118


def main() -> None:
    """Plays the refund in a folder of its own and writes the picture."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "LICHEN_HOME": f"{folder}/.lichen"}
        _lichen(folder, environ, "init")
        chat = ("chat", "--tenant", "acme", "--as", "customer-7")
        _lichen(folder, environ, *chat, say="I want a refund of 80 EUR for order 1042.\n")
        waiting = json.loads(_lichen(folder, environ, "approvals", "list", "--tenant", "acme", "--json"))[0]
        _lichen(folder, environ, "approvals", "approve", waiting["id"], "--tenant", "acme", "--as", "ops")
        run = _in_terminal(folder, environ, "runs", "show", waiting["run"], "--tenant", "acme")
    console = Console(width=COLUMNS, record=True, file=io.StringIO())
    console.print(Text.from_ansi(run))
    Path(__file__).with_name("run.svg").write_text(console.export_svg(title="lichen runs show"), encoding="utf-8")


def _lichen(folder: str, environ: dict[str, str], *args: str, say: str = "") -> str:
    done = subprocess.run(
        [LICHEN, *args], cwd=folder, env=environ, input=say, capture_output=True, text=True, check=True
    )
    return done.stdout


def _in_terminal(folder: str, environ: dict[str, str], *args: str) -> str:
    """What the command prints when it talks to a terminal."""
    ours, theirs = pty.openpty()
    coloured = {**environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS)}
    subprocess.run([LICHEN, *args], cwd=folder, env=coloured, stdout=theirs, stdin=theirs, check=True)
    os.close(theirs)
    pieces: list[bytes] = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    return b"".join(pieces).decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
