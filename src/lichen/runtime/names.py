"""Who is behind a pseudonym, for those who may know: the people of a tenant are named where somebody must judge."""

from __future__ import annotations

from lichen.core.words.errors import NotFound
from lichen.log.log import Log


def name_of(log: Log, pseudonym: str) -> str:
    """The id behind a pseudonym; the pseudonym itself of somebody who was erased, or who is nobody's name."""
    try:
        return log.display(pseudonym)
    except NotFound:  # ContentErased is one
        return pseudonym
