"""Pipes and files in memory that a process is handed, closed when it has them."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self


class Descriptors:
    """Those that were made here and are open; all are closed in the end."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def pipe(self) -> tuple[int, int]:
        """A pipe, the end to read from first."""
        ends = os.pipe()
        self._open.update(ends)
        return ends

    def memory(self, data: bytes) -> int:
        """A file in memory that is read from its beginning."""
        descriptor = os.memfd_create("lichen")
        self._open.add(descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def close(self, descriptor: int) -> None:
        """Closes one now."""
        self._open.discard(descriptor)
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for descriptor in tuple(self._open):
            self.close(descriptor)
