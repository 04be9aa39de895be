"""The prompts of a project: files that agents' prompts are replaced by, for everybody, a tenant, or an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lichen.agents.document import check_within
from lichen.agents.llm.prompts import CODE, Prompt
from lichen.core.ports.plan import PromptText
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Scope

FILES_MAX: Final = 1_000
EVERYBODY: Final = ("", "")

_DIGITS: Final = re.compile(r"(\d+)")

Place = tuple[str, str]
"""Whom prompts are for: a tenant and one of its environments, either of which may be empty for all."""


class Prompts:
    """The prompts under a folder: `support.md` for everybody, `acme/support.md` for a tenant, `acme/dev/support.md`
    for one of its environments. Of several versions in one place the newest counts. Without a folder there are none.

    Links lead nowhere out of `root`, the project's folder, or without it of the folder itself. Raises Invalid
    (`prompt_invalid`, `prompts_missing`, `path_outside`) for what is there and wrong.
    """

    def __init__(self, folder: Path | None, root: Path | None = None) -> None:
        self._folder, self._root = folder, root
        self._found = _read(folder, root)

    def load(self) -> tuple[str, ...]:
        """Reads the folder again, and gives the names of what changed. What is wrong leaves all as it is."""
        before, found = self._found, _read(self._folder, self._root)
        self._found = found
        names = {name for place in (*before, *found) for name in (*before.get(place, ()), *found.get(place, ()))}
        return tuple(sorted(n for n in names if _texts(before, n) != _texts(found, n)))

    def of(self, scope: Scope, name: str) -> PromptText | None:
        """The prompt of this name for a scope: its environment's, else its tenant's, else everybody's."""
        for place in self._places(scope):
            found = self._found.get(place, {}).get(name)
            if found is not None:
                return found
        return None

    def all_of(self, scope: Scope) -> tuple[PromptText, ...]:
        """Every prompt that a scope has, by name."""
        names = {name for place in self._places(scope) for name in self._found.get(place, {})}
        found = (self.of(scope, name) for name in sorted(names))
        return tuple(prompt for prompt in found if prompt is not None)

    def _places(self, scope: Scope) -> tuple[Place, ...]:
        return ((scope.tenant, scope.env), (scope.tenant, ""), EVERYBODY)


Found = Mapping[Place, Mapping[str, PromptText]]


def _texts(found: Found, name: str) -> dict[Place, PromptText]:
    return {place: named[name] for place, named in found.items() if name in named}


def _read(folder: Path | None, root: Path | None) -> Found:
    if folder is None:
        return {}
    if not folder.is_dir():
        step = "Make the folder, or correct `prompts` in lichen.toml."
        raise Invalid("There is no such folder of prompts.", code="prompts_missing", next_step=step, place=str(folder))
    files = sorted(folder.glob("*.md")) + sorted(folder.glob("*/*.md")) + sorted(folder.glob("*/*/*.md"))
    if len(files) > FILES_MAX:
        message = f"There are more than {FILES_MAX} prompts."
        raise Invalid(message, code=CODE, next_step="Leave some out.", place=str(folder))
    found: dict[Place, dict[str, PromptText]] = {}
    for file in files:
        check_within(file, root or folder)
        prompt = Prompt.read(file)
        within = (*file.relative_to(folder).parts[:-1], "", "")
        named = found.setdefault((within[0], within[1]), {})
        other = named.get(prompt.name)
        if other is not None and other.version == prompt.version:
            step = "Give one of them another version or name."
            raise Invalid(f"There are two prompts {prompt.name!r}.", code=CODE, next_step=step, place=str(file))
        if other is None or _order(other.version) < _order(prompt.version):
            named[prompt.name] = PromptText(prompt.name, prompt.version, prompt.text)
    return found


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """Versions in the order people mean: 9 before 10, 2025-11 before 2026-01, none before any."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(version) if part)
