"""The official conformance suite and inspector of the protocol, as published: installed once, as the lock file says."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.browser.published import HOME, NODE

HERE: Final = Path(__file__).parent
INSTALL_S: Final = 600
FILES: Final = ("package.json", "package-lock.json")


def installed() -> Path:
    """The folder with both; npm checks every package against the digests of the lock file."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("LICHEN_TEST_CACHE") or Path.home() / ".cache/lichen-tests")
    found = cache / f"mcp-clients-{digest}"
    if not found.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            folder = Path(temporary) / "clients"
            folder.mkdir()
            for name in FILES:
                shutil.copy(HERE / name, folder)
            npm = [str(NODE), str(HOME / "lib/node_modules/npm/bin/npm-cli.js")]
            quiet = ["--silent", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]
            subprocess.run([*npm, "ci", *quiet], cwd=folder, check=True, capture_output=True, timeout=INSTALL_S)
            folder.replace(found)
    return found / "node_modules/@modelcontextprotocol"


def conformance() -> list[str]:
    """The command of the suite."""
    return [str(NODE), str(installed() / "conformance/dist/index.js")]


def inspector() -> list[str]:
    """The command of the inspector on the command line."""
    return [str(NODE), str(installed() / "inspector/clients/launcher/build/index.js"), "--cli"]
