"""A channel as it would be: of a `lichen.toml` that lies beside the one in force and is about to take its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lichen.channels.port import ChannelPort
from lichen.core.words.errors import LichenError, NotFound, Unavailable
from lichen.core.words.scope import Scope
from lichen.runtime.channels.channels import Opened
from lichen.runtime.channels.opening import open_channels
from lichen.settings.file import FILE
from lichen.settings.reading import read

CANDIDATE: Final = f".{FILE}.new"
"""What it is called. Whoever may lay it there may change the file itself."""


def candidate_of(folder: Path, scope: Scope, name: str) -> tuple[Opened, ChannelPort]:
    """A channel of it, not begun. Raises NotFound (`channel_unknown`), Unavailable (`plugin_broken`), and what is wrong
    with its table."""
    path = folder / CANDIDATE
    if not path.is_file():
        step = "`lichen channel add` and `update` lay it there while they ask."
        raise NotFound("No other settings are about to take effect.", code="candidate_missing", next_step=step)
    file = read(path, environ=os.environ)
    if file.settings is None:
        raise file.errors[0]
    channels, errors = open_channels(file, file.settings)
    try:
        opened = channels.find(name, scope.tenant)
    except NotFound:
        raise _fault(errors, scope, name) or _unknown() from None
    if opened.scope != scope:
        raise _unknown()
    if isinstance(opened.channel, LichenError):
        raise Unavailable("This channel does not work.", code="plugin_broken", next_step="Run `lichen doctor`.")
    return opened, opened.channel


def _fault(errors: tuple[LichenError, ...], scope: Scope, name: str) -> LichenError | None:
    own = f"tenants.{scope.tenant}.{name}"
    return next((each for each in errors if own in (each.place or "")), None)


def _unknown() -> NotFound:
    step = "Name a channel of its tenant and environment."
    return NotFound("The settings have no such channel.", code="channel_unknown", next_step=step)
