"""Rules of one's own beside ours.

Source: Symbiont, skill scanner, custom rules.
"""

from __future__ import annotations

import re

import msgspec

from lichen.core.patterns.pattern import PatternError
from lichen.core.words.errors import Invalid
from lichen.tools.scan.rule import Rule, rule


class OwnRules(msgspec.Struct, frozen=True):
    """Rules that a project adds, and the only programs that a script may be run by, if it says so."""

    rules: tuple[Rule, ...] = ()
    executables: frozenset[str] | None = None


class ScanTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of rules says: contents and commands as expressions, files by their names."""

    deny_content: tuple[str, ...] = ()
    deny_files: tuple[str, ...] = ()
    deny_shell: tuple[str, ...] = ()
    allowed_executables: tuple[str, ...] | None = None


def own_rules(table: ScanTable) -> OwnRules:
    """The rules of a table. Raises Invalid (`pattern_invalid`) for an expression that a text could keep busy."""
    try:
        rules = (
            *(
                rule(f"deny-content:{each}"[:80], "warning", "Own rule: this content.", each)
                for each in table.deny_content
            ),
            *(
                rule(f"deny-file:{each}"[:80], "warning", "Own rule: this file.", re.escape(each))
                for each in table.deny_files
            ),
            *(
                rule(f"deny-shell:{each}"[:80], "critical", "Own rule: this command.", each)
                for each in table.deny_shell
            ),
        )
    except PatternError as error:
        raise Invalid(f"A rule cannot be used: {error}.", code="pattern_invalid") from None
    allowed = None if table.allowed_executables is None else frozenset(table.allowed_executables)
    return OwnRules(rules, allowed)


def rules_of(data: bytes, place: str) -> OwnRules:
    """The rules in a TOML file. Raises Invalid (`rules_invalid`, `pattern_invalid`)."""
    try:
        return own_rules(msgspec.toml.decode(data, type=ScanTable))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"It is no file of rules: {error}", code="rules_invalid", place=place) from None
