"""A bundle as the project of a command: the file that starts its folder, into which a SquashFS file is unpacked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lichen.core.words.errors import Conflict, Invalid, NotFound
from lichen.settings.layers.variables import BUNDLE


def said_in(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The bundle that a variable names, else a `lichen.toml`; None for none, and for a file that cannot be read."""
    given = environ.get(BUNDLE, "")
    if given:
        return Path(given).absolute()
    if file is None:
        return None
    try:
        said: Any = tomllib.loads(file.read_text(encoding="utf-8")).get("lichen", {}).get("bundle", "")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError):
        return None  # settings says what is wrong with it
    return file.parent / said if isinstance(said, str) and said else None


def started(start: Path, bundle: Path | None, home: Path) -> Path | None:
    """The file that stands for a project where there is no `lichen.toml`: of the bundle that is named, else of the
    working directory as upstream looks for it. Raises NotFound (`bundle_missing`), Invalid (`bundle_…`)."""
    from lichen.settings.bundles.finding import started_by, started_here

    if bundle is None:
        found = started_here(start)
    else:
        folder = ready(bundle, home)
        found = started_by(folder)
        if found is None:
            message = "Nothing in the bundle starts it: no greentic.demo.yaml, and no bundle.yaml with its tenants."
            step = "Run `lichen bundle doctor` on it."
            raise Invalid(message, code="bundle_unrooted", place=str(bundle), next_step=step)
    return found


def ready(bundle: Path, home: Path) -> Path:
    """The folder of a bundle. A SquashFS file is unpacked into the data directory once, whole or not at all.

    Raises NotFound (`bundle_missing`), Invalid (`bundle_…`).
    """
    from lichen.settings.bundles.finding import folder_of

    folder = folder_of(bundle, home)
    if folder.is_dir():
        return folder
    from lichen.packs.bundles.opening import open_bundle
    from lichen.packs.bundles.unpacking import unpack_into

    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        unpack_into(open_bundle(bundle), folder)
    except Conflict:  # another command was first, with the same bytes
        if not folder.is_dir():
            raise
    except OSError as error:
        message = f"The bundle cannot be unpacked: {error.strerror}."
        step = "Give this user room in the data directory, or access to it."
        raise NotFound(message, code="bundle_unopened", place=str(folder), next_step=step) from None
    return folder
