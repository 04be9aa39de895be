"""`lichen channel` in this process, on a project with the beacon of `tests.channels.setup`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from lichen.cli.app import app
from lichen.cli.errors import exit_code
from lichen.core.words.errors import LichenError
from tests.channels.setup.beacon import install_beacon
from tests.plugins.packages import on_path

FILE = """# The shop of Kiel.
[lichen]
agents = ["echo.toml"]   # only one

[tenants.acme]
agent = "shop.echo"

[tenants.acme.webchat]  # for the site
title = "Kiel"

# and what the whole of it costs
[tenants.acme.quotas]
messages_per_minute = 60
"""


class Done(NamedTuple):
    """How a command ended. `error` is what it raised."""

    out: str
    err: str
    error: LichenError | None
    code: int

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Harbour:
    """The project. Each command is run as at a terminal nobody sits at."""

    def __init__(self, root: Path) -> None:
        self.root, self.file = root, root / "lichen.toml"
        self.file.write_text(FILE)
        (root / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')

    def run(self, *words: str, text: str = "") -> Done:
        done = CliRunner().invoke(app, ["channel", *words], input=text)
        error = done.exception if isinstance(done.exception, LichenError) else None
        if done.exception is not None and error is None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.stdout, done.stderr, error, exit_code(error) if error else done.exit_code)

    def add(self, kind: str, *words: str, **answers: Any) -> Done:
        return self.run("add", kind, "--answers", "-", *words, text=json.dumps(answers))

    @property
    def platform(self) -> Any:
        """What the beacon's platform was told; None for nothing."""
        path = self.root / "platform.json"
        return json.loads(path.read_text()) if path.exists() else None


def harbour(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Harbour:
    """A project in `folder`, where this process works from now on."""
    monkeypatch.delitem(sys.modules, "beacon", raising=False)
    on_path(install_beacon(folder / "site"), monkeypatch)
    (folder / "shop").mkdir()
    monkeypatch.chdir(folder / "shop")
    for name in ("LICHEN_HOME", "LICHEN_TENANT", "LICHEN_ENV", "LICHEN_KEY", "LICHEN_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return Harbour(folder / "shop")
