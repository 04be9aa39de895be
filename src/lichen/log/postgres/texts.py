"""Texts as Postgres can keep them: it has no NUL, and a store keeps what it was given, in the same order."""

from __future__ import annotations

from typing import Final

from lichen.log.store.tables import Row

_MARK: Final = "\x01"
_NUL: Final = "\x00"
_AS_NUL: Final = "\x01\x01"
_AS_MARK: Final = "\x01\x02"


def kept(text: str) -> str:
    """The text as it is kept: without NUL, and before and after the same others as it is."""
    if "\x00" not in text and _MARK not in text:
        return text
    return text.replace(_MARK, _AS_MARK).replace(_NUL, _AS_NUL)


def given(row: Row) -> Row:
    """A row with its texts as they were given."""
    if not any(isinstance(value, str) and _MARK in value for value in row):
        return row
    return tuple(_given(value) if isinstance(value, str) else value for value in row)


def _given(text: str) -> str:
    return text.replace(_AS_NUL, _NUL).replace(_AS_MARK, _MARK)
