"""The names of one log while it is verified: who must have one, and whether each is that of its pseudonym.

Names do not follow from the records: they are sealed, so they are opened where there are keys.
"""

from __future__ import annotations

import re

from lichen.core.deciders.events import Erased
from lichen.core.words.content import Sealed
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import LogId
from lichen.log.keys.keyring import Keyring
from lichen.log.records.names import name_aad
from lichen.log.records.record import Record
from lichen.log.store.tables import Row

_PSEUDONYM = re.compile(r"(customer|operator|service)_[0-9a-f]{16}")


class NameCheck:
    """Takes the log's records one after another."""

    def __init__(self, id: LogId) -> None:
        self._id = id
        self._named: set[str] = set()
        self._erased: set[str] = set()

    def take(self, record: Record) -> None:
        """A record: who acted, and who was erased."""
        self.note(record.actor)
        if isinstance(record.control, Erased):
            self._erased.add(record.control.subject)

    def note(self, pseudonym: str) -> None:
        """Somebody acted here or was acted for, if this is a person's pseudonym."""
        if pseudonym not in self._named and _PSEUDONYM.fullmatch(pseudonym):
            self._named.add(pseudonym)

    def expected(self) -> set[str]:
        """The pseudonyms that have a name: of those who acted here or were acted for, and were not erased."""
        return self._named - self._erased

    def problem(self, keyring: Keyring | None, row: Row) -> tuple[str, str] | None:
        """What is wrong with a row of the names: the column, and why."""
        _, pseudonym, key_id, nonce, ciphertext = row
        if pseudonym in self._erased:
            return "pseudonym", "the row was to go when its subject was erased"
        if keyring is None:
            return None
        try:
            id = keyring.unseal(Sealed(key_id, nonce, ciphertext), name_aad(self._id, pseudonym)).decode()
        except (LichenError, UnicodeDecodeError):
            return "ciphertext", "the name does not open"
        kind = pseudonym.rpartition("_")[0]
        if keyring.secrets(self._id).pseudonym(kind, id) != pseudonym:
            return "pseudonym", "the pseudonym is not that of the name"
        return None
