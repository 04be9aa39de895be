"""The tenants of a bundle and their teams, by the folders they have in it."""

from __future__ import annotations

from collections.abc import Iterable


def tenants_in(files: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The names of tenants, each with those of its teams."""
    found: dict[str, set[str]] = {}
    for path in files:
        steps = path.split("/")
        if steps[0] == "tenants" and len(steps) > 2:
            teams = found.setdefault(steps[1], set())
            if steps[2] == "teams" and len(steps) > 4:
                teams.add(steps[3])
    return {name: tuple(sorted(teams)) for name, teams in sorted(found.items())}
