"""Who opened which contents, in the tenant's log: once for each opening, however long it is read.

Whoever reads the same thing again within a few minutes goes on with the opening: a page that refreshes itself, a client
that polls, a feed. Nobody is noted for what is their own. While the volume cannot write, what is there may be read all
the same; who did is noted as soon as it can.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Actor, Scope
from lichen.engine.journal.journal import Journal

OPENING_S = 300.0
OPEN_MAX = 10_000  # remembered at once, the least recently read leave first

What = Literal["run", "session", "wait", "record", "log", "feed", "export", "names", "eval"]


class Opening(NamedTuple):
    """What somebody reads."""

    scope: Scope
    by: str
    what: What
    resource: str


class Openings:
    """Notes them. `clock` gives microseconds."""

    def __init__(
        self, journal_of: Callable[[Scope], Journal], *, clock: Callable[[], int], new_id: Callable[[str], str]
    ) -> None:
        self._journal_of = journal_of
        self._clock = clock
        self._new_id = new_id
        self._read_us: OrderedDict[Opening, int] = OrderedDict()
        self._owed: dict[Opening, tuple[Actor, e.Ruling]] = {}

    def note(self, what: What, scope: Scope, actor: Actor, resource: str, ruling: e.Ruling) -> None:
        """Somebody reads contents, or takes them away."""
        opening = Opening(scope, self._journal_of(scope).log.pseudonym(actor), what, resource)
        now_us = self._clock()
        read_us = self._read_us.get(opening)
        if read_us is None or what == "export" or now_us - read_us > OPENING_S * 1e6:
            self._owed[opening] = (actor, ruling)
        self.settle()
        self._read_us[opening] = now_us
        self._read_us.move_to_end(opening)
        if len(self._read_us) > OPEN_MAX:
            self._read_us.popitem(last=False)
        if len(self._owed) > OPEN_MAX:
            del self._owed[next(iter(self._owed))]

    def settle(self) -> None:
        """Writes what could not be written before."""
        for opening, (actor, ruling) in list(self._owed.items()):
            with suppress(Unavailable):
                self._write(opening, actor, ruling)
                del self._owed[opening]

    def _write(self, opening: Opening, actor: Actor, ruling: e.Ruling) -> None:
        journal = self._journal_of(opening.scope)
        by = journal.log.name(actor)
        contents = moves.as_contents([("resource", opening.resource.encode())], by)
        draft = e.Draft(e.Accessed(opening.what, self._new_id("access"), ruling), contents)
        journal.append({TENANT_STREAM: (draft,)}, actor=by)
