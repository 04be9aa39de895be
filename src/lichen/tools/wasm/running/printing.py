"""What guests print, on its way to their watches. The engine brings it on threads of its own, and lets go of it there
some time after the guest is gone: a process that ended meanwhile would be aborted, so it waits for that a moment."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Final

SETTLES_S: Final = 2.0  # how long a process that ends waits for the engine to let go


class Sink:
    """Takes what one guest prints, and is known until the engine lets go of it."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        with _changed:
            _held.append(id(self))
        weakref.finalize(self, _let_go, id(self)).atexit = False

    def __call__(self, data: bytes) -> None:
        """Hands on what was printed."""
        self._write(data)


_changed: Final = threading.Condition()
_held: Final[list[int]] = []


def _let_go(number: int) -> None:
    with _changed:
        _held.remove(number)
        _changed.notify_all()


def held() -> int:
    """How many sinks the engine has not let go of."""
    return len(_held)


@atexit.register
def settle() -> None:
    """Waits until the engine has let go of every sink, as long as that may take."""
    with _changed:
        _changed.wait_for(lambda: not _held, SETTLES_S)
