"""`pip install .` gives a `lichen` that works, with everything it needs beside the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTALL = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation"]


@pytest.mark.req("DOC-2.2")
def test_what_pip_installs_begins_a_project_and_talks(tmp_path: Path) -> None:
    target, shop = tmp_path / "installed", tmp_path / "shop"
    subprocess.run([*INSTALL, "--no-deps", "--target", target, ROOT], check=True, timeout=120)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
    environ = {**kept, "PYTHONPATH": str(target)}
    where = "import lichen; print(lichen.__file__)"
    found = subprocess.run([sys.executable, "-c", where], env=environ, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(target))

    def lichen(*arguments: str, text: str = "") -> str:
        command = [sys.executable, str(target / "bin" / "lichen"), *arguments]
        folder = shop if shop.exists() else tmp_path
        done = subprocess.run(
            command, input=text, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    lichen("init", str(shop))
    told = lichen("chat", "--tenant", "acme", "--as", "customer-7", text="Where is order 1042?\n")
    assert "arrives tomorrow" in told
