"""Names: who is behind a pseudonym of the log, sealed under that person's own key, and gone when it is."""

from __future__ import annotations

import msgspec

from lichen.core.words.content import Sealed
from lichen.core.words.errors import ContentErased, NotFound
from lichen.core.words.ids import LogId, Pseudonym
from lichen.core.words.scope import Actor
from lichen.log.keys.keyring import Keyring
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import NAMES, Op

KNOWN_MAX = 100_000  # pseudonyms of which this process remembers that it wrote them
PSEUDONYMS_MAX = 10_000  # people whose pseudonym is at hand


class Names:
    """The names view of one log. `number` is the log's in its volume."""

    def __init__(self, log: LogId, number: int, keyring: Keyring, reading: Reading) -> None:
        self._log, self._number, self._keyring, self._reading = log, number, keyring, reading
        self._known: set[str] = set()
        self._pseudonyms: dict[tuple[str, str], Pseudonym] = {}

    def of(self, actor: Actor) -> Pseudonym:
        """The actor's pseudonym."""
        whose = (actor.kind, actor.id)
        return self._pseudonyms.get(whose) or self._made(*whose)

    def _made(self, kind: str, id: str) -> Pseudonym:
        if len(self._pseudonyms) >= PSEUDONYMS_MAX:
            self._pseudonyms.clear()
        made = self._pseudonyms[kind, id] = self._keyring.secrets(self._log).pseudonym(kind, id)
        return made

    def keep(self, pseudonym: str, id: str) -> Op | None:
        """The row to write so that the pseudonym can be resolved; None when this process wrote it already, or none can
        be. What the store has is not asked for: whoever was known before is written down once more."""
        if pseudonym in self._known:
            return None
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        sealed = self._seal(pseudonym, id)
        self._known.add(pseudonym)
        return (NAMES, (self._number, pseudonym), sealed) if sealed else None

    def display(self, pseudonym: str) -> str:
        """The id behind a pseudonym. Raises NotFound (`name_unknown`), ContentErased."""
        found = self._find(pseudonym)
        if found is None:
            raise NotFound("Nobody is known by this pseudonym in this log.", code="name_unknown")
        return self._keyring.unseal(Sealed(*found), name_aad(self._log, pseudonym)).decode()

    def has(self, pseudonym: str) -> bool:
        """Whether somebody is known by this pseudonym, as of the last commit."""
        return self._find(pseudonym) is not None

    def remove(self, pseudonym: str) -> Op:
        """The change that forgets who is behind a pseudonym."""
        self._known.discard(pseudonym)
        self._pseudonyms = {whose: each for whose, each in self._pseudonyms.items() if each != pseudonym}
        return NAMES, (self._number, pseudonym), None

    def clear(self) -> None:
        """Forgets what is known to be stored: it may not be."""
        self._known.clear()

    def _seal(self, pseudonym: str, id: str) -> tuple[int, bytes, bytes] | None:
        try:
            sealed = self._keyring.seal(self._log, pseudonym, name_aad(self._log, pseudonym), id.encode())
        except ContentErased:
            return None  # whoever was erased stays nameless
        return sealed.key_id, sealed.nonce, sealed.ciphertext

    def _find(self, pseudonym: str) -> tuple[int, bytes, bytes] | None:
        which = rows(NAMES, log=self._number, pseudonym=pseudonym).of("key_id", "nonce", "ciphertext")
        found = self._reading.rows(which)
        return found[0] if found else None  # type: ignore[return-value]  # three columns were asked for


def name_aad(log: LogId, pseudonym: str) -> bytes:
    """What a sealed name is bound to."""
    return msgspec.msgpack.encode((log, "name", pseudonym))
