"""Where a command works: the project's `lichen.toml` and the directory that holds its data."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lichen.cli.here.trust import check_trust, nearest
from lichen.cli.starts.bundled import ready, said_in, started
from lichen.core.words.errors import Invalid, NotFound

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project

FILE = "lichen.toml"
HOME = ".lichen"
DATA = "lichen.sqlite"  # in the data directory: the logs
REMEMBERED = "project"  # in the data directory: the project that opened it last


class Workspace(NamedTuple):
    """The data directory, and the `lichen.toml`, or what stands for it, that it belongs to if one is known. A socket
    needs only the directory."""

    home: Path
    file: Path | None

    @property
    def socket(self) -> Path:
        """Where the process that owns the directory listens."""
        return self.home / "lichen.sock"

    @property
    def is_bare(self) -> bool:
        """Whether there is data here that no project is known for: a program of its own made it."""
        return self.file is None and _has_data(self.home)

    def needed(self) -> Path:
        """The `lichen.toml`. Raises NotFound (`project_unknown`)."""
        if self.file is None:
            raise NotFound(
                f"There is no {FILE} here or above.",
                code="project_unknown",
                next_step="Run `lichen init` in an empty folder, or `lichen demo` to see what it does.",
            )
        return self.file

    def load(self) -> Project:
        """The project with its agents. Raises NotFound (`project_unknown`), Invalid with the place of the mistake."""
        from lichen.runtime.project.loading import load

        return load(self.needed(), environ={**os.environ, "LICHEN_HOME": str(self.home)})

    def remember(self) -> None:
        """Notes in the data directory which project it belongs to, so that commands find it from anywhere."""
        with suppress(OSError):  # a comfort: a full disk is told by what needs the disk
            (self.home / REMEMBERED).write_text(f"{self.needed()}\n", encoding="utf-8")


def locate(cwd: Path | None = None, environ: Mapping[str, str] = os.environ) -> Workspace:
    """The project of a working directory: the nearest `lichen.toml` at or above it, else the file that starts a bundle
    or a demo there, else the one its data belongs to.

    Data lies in `LICHEN_HOME`, else where the file says, else in `./.lichen`. Raises Denied (`project_untrusted`) for
    files of strangers.
    """
    start = (cwd or Path.cwd()).resolve()
    file = nearest(start, FILE)
    if file is not None:
        check_trust(file, environ)
    home = _home(start, file, environ)
    bundle = said_in(file, environ)
    if file is not None and bundle is not None:
        ready(bundle, home)
    begun = None if file is not None else started(start, bundle, home)
    found = file or begun or remembered(home) or (None if _has_data(home) else _demo(start))
    if found is not None:
        check_trust(found, environ)
    return Workspace(home, found)


def _home(start: Path, file: Path | None, environ: Mapping[str, str]) -> Path:
    given = environ.get("LICHEN_HOME")
    if given:
        return (start / given).resolve()
    home = start / HOME if file is None else (file.parent / _home_of(file)).resolve()
    if home.exists():
        check_trust(home, environ)
    return home


def _home_of(file: Path) -> str:
    try:
        home = tomllib.loads(file.read_text(encoding="utf-8")).get("lichen", {}).get("home", HOME)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{error}.", code="settings_invalid", place=str(file)) from None
    return home if isinstance(home, str) else HOME  # settings says what is wrong with it


def remembered(home: Path) -> Path | None:
    """The `lichen.toml` that a data directory belongs to, None if nobody knows or it is gone."""
    try:
        file = Path((home / REMEMBERED).read_text(encoding="utf-8").strip())
    except OSError:
        return None
    return file if file.is_file() else None


def _has_data(home: Path) -> bool:
    return (home / DATA).exists()


def _demo(start: Path) -> Path | None:
    """The demo beside the sources, so that its commands work in a fresh clone."""
    file = start / "demo" / FILE
    return file if file.is_file() and (start / "src" / "lichen").is_dir() else None
