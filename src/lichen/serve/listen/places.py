"""The places of a port: so many connections in all, so many of one address, and some more that only operators use.

When an address has no place left, its oldest connection that waits for its own client makes room: one whose request has
not come whole yet, or that is only kept alive. When the port has none left, the address that holds the most makes room.
Where nobody waits, what comes beyond the bound is told so, unless it is an operator's; further on it is cut off.
"""

from __future__ import annotations

from typing import Protocol

SPARE_OF_ADDRESS = 20  # beyond `most_each`
SPARE = 200  # beyond `most`


class Connection(Protocol):
    """A connection as its place sees it."""

    @property
    def peer(self) -> str:
        """Whose it is: an address, empty for a proxy that speaks for many."""
        ...

    def is_waiting(self) -> bool:
        """Whether the next move is the client's."""
        ...

    def cut(self) -> None:
        """Ends it at once."""
        ...


class Places:
    """Who is connected. `most` in all, `most_each` of one address; a proxy's connections count in all only."""

    def __init__(self, *, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._taken: dict[str, dict[Connection, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many are connected."""
        return self._count

    @property
    def is_over(self) -> bool:
        """Whether more are connected than may be: only operators are served then."""
        return self._count > self._most

    def enter(self, connection: Connection) -> None:
        """Takes a place; whoever has to go for it is cut off, the newcomer itself when nobody else can."""
        mine = self._taken.setdefault(connection.peer, {})
        if connection.peer and len(mine) >= self._most_each:
            self._make_room(mine, connection, is_last=len(mine) >= self._most_each + SPARE_OF_ADDRESS)
        elif self._count >= self._most:
            most = max(self._taken.values(), key=len)
            self._make_room(most, connection, is_last=self._count >= self._most + SPARE)
        self._taken.setdefault(connection.peer, {})[connection] = None
        self._count += 1

    def leave(self, connection: Connection) -> None:
        """Gives the place back; doing so twice is no error."""
        mine = self._taken.get(connection.peer, {})
        if connection in mine:
            del mine[connection]
            self._count -= 1
        if not mine:
            self._taken.pop(connection.peer, None)

    def _make_room(self, holders: dict[Connection, None], newcomer: Connection, *, is_last: bool) -> None:
        leaving = next((each for each in holders if each.is_waiting()), newcomer if is_last else None)
        if leaving is not None:
            self.leave(leaving)
            leaving.cut()
