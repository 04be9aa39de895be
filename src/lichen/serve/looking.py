"""What may be asked of a runtime that only looks: what reads. It has no agents, so whatever it began would fail."""

from __future__ import annotations

from typing import Final

from lichen.core.words.errors import NotFound
from lichen.serve.api.route import ApiRoute

READS: Final = {("POST", "log/verify"), ("POST", "log/backup"), ("POST", "runs/{run}/replay")}
CHANGES: Final = {("GET", "sessions/{session}/messages")}  # handing messages out is an attempt to deliver them


def check_reads(route: ApiRoute) -> None:
    """Raises NotFound (`project_unknown`) for what would change something."""
    asked = (route.method, route.path)
    if asked in READS or (route.method == "GET" and asked not in CHANGES):
        return
    raise NotFound(
        "No project is known for this data, so it can only be looked at.",
        code="project_unknown",
        next_step="Do it from the program that made the data, or give it a lichen.toml (`lichen init`).",
    )
