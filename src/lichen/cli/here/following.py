"""A run as it goes on: its records from the first, each once, and what its models say meanwhile.

Whoever hosts the run may die: the records go on after the last that came, from whoever hosts it then.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from lichen.cli.here.client import Client, segment
from lichen.cli.here.stream import StreamCut
from lichen.core.words.errors import LichenError

PAUSE_S: Final = 0.2  # after a stream was cut
WAITING_MAX: Final = 10_000  # events that nobody has read yet


class Happened(NamedTuple):
    """A record of the run, or a piece of what its models say."""

    kind: Literal["record", "piece"]
    data: dict[str, Any]


class Following:
    """Follows one run until it is over. With `pieces` also what its models say, think and call as they do, as far as
    the reader may know."""

    def __init__(self, client: Client, run: str, *, pieces: bool) -> None:
        self._client, self._path = client, f"runs/{segment(run)}"
        self._coming: queue.Queue[Happened | LichenError | None] = queue.Queue(WAITING_MAX)
        self._is_over = threading.Event()
        self._sources = [self._read_records, *([self._read_pieces] if pieces else [])]

    def __iter__(self) -> Iterator[Happened]:
        """What happens, in order. Raises LichenError."""
        for source in self._sources:
            threading.Thread(target=source, daemon=True).start()
        try:
            while (happened := self._coming.get()) is not None:
                if isinstance(happened, LichenError):
                    raise happened
                yield happened
        finally:
            self._is_over.set()

    def _read_records(self) -> None:
        try:
            for record in self._records():
                self._coming.put(Happened("record", record))
            self._coming.put(None)
        except LichenError as error:
            self._coming.put(error)

    def _records(self) -> Iterator[dict[str, Any]]:
        last = "0"
        while not self._is_over.is_set():
            try:
                for frame in self._client.stream(f"{self._path}/events", after=last):
                    if frame.event == "end":
                        return
                    last = frame.id or last
                    yield frame.data
            except StreamCut:
                pass
            self._is_over.wait(PAUSE_S)
            self._client.get(f"{self._path}/result")  # waits for whoever hosts it now, or hosts it here

    def _read_pieces(self) -> None:
        while not self._is_over.is_set():
            try:
                for frame in self._client.stream(f"{self._path}/pieces"):
                    if frame.event == "end":
                        return
                    self._coming.put(Happened("piece", frame.data))
            except StreamCut:
                pass
            except LichenError:
                return  # who may not read it follows the records alone
            self._is_over.wait(PAUSE_S)
