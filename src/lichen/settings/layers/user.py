"""The user's own settings: `~/.config/lichen/config.toml`, with what is of their machine and never of a project.

Source: XDG Base Directory Specification 0.8 for where it lies; git's `safe.directory` for whom it is believed.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from lichen.core.words.errors import Invalid
from lichen.settings.layers.layers import Layer, toml_layer

BYTES_MAX: Final = 256 * 1024
ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "serve": (
        "host",
        "port",
        "connections",
        "connections_per_address",
        "sockets",
        "sockets_per_address",
        "metrics_port",
        "disk_reserve_mib",
    ),
    "tools": ("floor",),
}
"""What the file may say, by table: who a project serves, trusts and allows is the project's to say."""


class Own(NamedTuple):
    """The user's layer, None for none, and what is wrong with the file."""

    layer: Layer | None
    errors: tuple[Invalid, ...] = ()


def user_file(environ: Mapping[str, str]) -> Path | None:
    """Where the file would lie, None where nobody can say."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if base and Path(base).is_absolute():  # a relative one is to be left alone, says the specification
        return Path(base) / "lichen" / "config.toml"
    home = environ.get("HOME", "")
    return Path(home) / ".config" / "lichen" / "config.toml" if home and Path(home).is_absolute() else None


def user_layer(environ: Mapping[str, str]) -> Own:
    """What the user says. Errors are Invalid (`user_settings_unsafe`, `user_setting_refused`, `settings_invalid`)."""
    path = user_file(environ)
    if path is None:
        return Own(None)
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Own(None)
    except OSError as error:
        return Own(None, (_unread(path, f"{error.strerror or error}"),))
    wrong = _unsafe(path, found)
    if wrong is not None:
        return Own(None, (wrong,))
    if len(data) > BYTES_MAX:
        return Own(None, (_unread(path, f"it has more than {BYTES_MAX} bytes"),))
    try:
        layer = toml_layer("user", str(path), data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Own(None, (_unread(path, str(error)),))
    errors = tuple(_refused(layer))
    return Own(None if errors else layer, errors)


def _unsafe(path: Path, found: os.stat_result) -> Invalid | None:
    """Why a file is not believed: somebody else could have written it."""
    why = ""
    if not stat.S_ISREG(found.st_mode):
        why = "it is no file"
    elif found.st_uid not in (0, os.geteuid()):
        why = f"it belongs to somebody else (user {found.st_uid})"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = "others may write it"
    if not why:
        return None
    step = f"If what it says is yours, run `chmod 600 {path}`, else take it away."
    message = f"The user's settings are not read: {why}."
    return Invalid(message, code="user_settings_unsafe", place=str(path), next_step=step)


def _refused(layer: Layer) -> Iterator[Invalid]:
    """What is of a project, and not the user's to say."""
    document: Mapping[str, Any] = layer.document
    for table, values in document.items():
        names = tuple(cast("dict[str, Any]", values)) if isinstance(values, dict) else ("",)
        for name in names:
            if name and name in ALLOWED.get(table, ()):
                continue
            steps = (table, name) if name else (table,)
            known = ", ".join(f"{each}.{key}" for each, keys in ALLOWED.items() for key in keys)
            yield Invalid(
                f"{'.'.join(steps)} is not the user's to say: it belongs into the project's lichen.toml.",
                code="user_setting_refused",
                place=layer.at(steps),
                next_step=f"Here may stand: {known}.",
            )


def _unread(path: Path, why: str) -> Invalid:
    message = f"The user's settings cannot be read: {why}."
    step = "Correct the file, or take it away."
    return Invalid(message, code="settings_invalid", place=str(path), next_step=step)
