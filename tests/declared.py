"""A project whose `lichen.toml` says something else."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.runtime.project.project import Project


def declaring(project: Project, **changes: Any) -> Project:
    """The project with other settings: `declaring(project, home=tmp_path)`."""
    return msgspec.structs.replace(project, settings=msgspec.structs.replace(project.settings, **changes))
