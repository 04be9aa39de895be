"""The rules of access of a scope, read from the files that its tenant and teams name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lichen.agents.document import check_within
from lichen.core.words.errors import LichenError, NotFound
from lichen.core.words.scope import Scope
from lichen.gate.access.parsing import FILE_BYTES_MAX, Parsed, parse
from lichen.gate.access.rules import OPEN, AccessRules, Rules
from lichen.settings.bundles.finding import is_of_bundle
from lichen.settings.file import FILE, Settings


class Found(NamedTuple):
    """The rules that the files have now, and everything that is wrong with them."""

    rules: AccessRules
    errors: tuple[LichenError, ...] = ()


class AccessSource:
    """Where rules come from: the files that settings name. Without settings there are none."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings

    def load(self, scope: Scope) -> AccessRules:
        """The rules as they are on disk. Raises LichenError (`access_…`, `path_outside`) with file, line and column."""
        found = self.look(scope)
        if found.errors:
            raise found.errors[0]
        return found.rules

    def look(self, scope: Scope) -> Found:
        """The same, with every mistake."""
        if self._settings is None:
            return Found(OPEN)
        files = self._settings.access(scope)
        own = None if not files.tenant else self._read(files.tenant)
        teams = {name: self._read(file) for name, file in files.teams.items()}
        every = [*([] if own is None else [own]), *teams.values()]
        errors = tuple({error.place: error for each in every for error in each.errors}.values())
        rules = AccessRules(None if own is None else own.rules, {name: each.rules for name, each in teams.items()})
        return Found(rules, errors)

    def _read(self, named: str) -> Parsed | _Unread:
        assert self._settings is not None
        path = self._settings.root / named
        try:
            if not is_of_bundle(path, self._settings.root, self._settings.parts.bundle, self._settings.home):
                check_within(path, self._settings.root, place=str(path))
            return parse(_bytes(path), named, path=str(path))
        except LichenError as error:
            return _Unread(Rules(), (error,))


def rules_wrong(settings: Settings) -> tuple[LichenError, ...]:
    """Everything that is wrong with the files of rules that settings name, each mistake once."""
    source = AccessSource(settings)
    return tuple({error.place: error for scope in settings.scopes for error in source.look(scope).errors}.values())


class _Unread(NamedTuple):
    rules: Rules
    errors: tuple[LichenError, ...]


def _bytes(path: Path) -> bytes:
    """A byte more than a file may have, at most. Raises NotFound (`access_missing`)."""
    try:
        if not path.is_file():  # what else may bear the name has no end
            raise FileNotFoundError
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX + 1)
    except OSError:
        step = f"Write it, or leave it out of {FILE}: then policy alone decides."
        message = "The file of rules is not there, or cannot be read."
        raise NotFound(message, code="access_missing", next_step=step, place=str(path)) from None
