"""A process that stays the owner of its data directory until it is told to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from lichen.core.words.errors import LichenError, Unavailable

if TYPE_CHECKING:
    from lichen.cli.here.connection import Connection
    from lichen.cli.here.owner import Owner, Port

PATIENCE_S = 3.0  # longer than a command that owns the directory for itself usually takes
RETRY_S = 0.1
LOOK_S = 1.0


class Host(NamedTuple):
    """The owner, and the event that ends it: set by SIGTERM or Ctrl-C."""

    owner: Owner
    end: threading.Event

    def stay(self) -> None:
        """Returns when it is told to end. Raises LichenError when the runtime ended by itself."""
        while not self.end.wait(LOOK_S):
            if self.owner.gone.is_set():
                self.owner.check()
                if self.owner.was_stopped:
                    return
                raise LichenError("The runtime ended by itself.", code="owner_gone")


@contextmanager
def hosting(connection: Connection, port: Port | None = None, *, on_bus: bool = False) -> Generator[Host]:
    """Owns the data directory within the context, then drains.

    Raises Unavailable (`data_dir_in_use`, `port_in_use`) and what opening raises.
    """
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: end.set())
    owner = _own(connection, end, port, on_bus=on_bus)
    try:
        yield Host(owner, end)
    finally:
        owner.leave()


def _own(connection: Connection, end: threading.Event, port: Port | None, *, on_bus: bool) -> Owner:
    """Owns the directory; a command that owns it for a moment is waited for."""
    connection.expect_models()
    for _ in range(int(PATIENCE_S / RETRY_S)):
        try:
            return connection.own(port, stays=True, on_bus=on_bus)
        except Unavailable as error:
            if error.code != "data_dir_in_use" or end.wait(RETRY_S):
                raise
    return connection.own(port, stays=True, on_bus=on_bus)
