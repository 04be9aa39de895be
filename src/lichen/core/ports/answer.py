"""What the answer of a run has to be, where words are not enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class AnswerType(Protocol):
    """The type of an answer: a JSON Schema, and what checks a value against all that it means."""

    @property
    def name(self) -> str:
        """What a model calls it: letters, digits, `_` and `-`, at most 64."""
        ...

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema 2020-12 of the values."""
        ...

    def decode(self, data: bytes) -> bytes:
        """The canonical JSON of a value. Raises InvalidArguments with an issue for every problem."""
        ...

    def value(self, data: bytes) -> Any:
        """The value in Python of what `decode` gave. Raises InvalidArguments where the type was another one then."""
        ...
