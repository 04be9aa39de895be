"""Layers of settings, each over those before it: tables are united, another value takes the place of the one below."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, cast

from lichen.core.reading.misfits import Steps
from lichen.settings.places import line_of, spelt

Kind = Literal["user", "bundle", "file", "variable"]


class Layer(NamedTuple):
    """What one of them says, and where each of it stands."""

    kind: Kind
    document: dict[str, Any]
    at: Callable[[Steps], str]  # `file:line`, or the name of a variable


class Layers(NamedTuple):
    """All of them, from the lowest to the highest."""

    layers: tuple[Layer, ...]

    @property
    def document(self) -> dict[str, Any]:
        """What they say together."""
        return merged(each.document for each in self.layers)

    def of(self, steps: Steps) -> Layer:
        """The one that says what is at a path, else what is closest around it, else the project's file."""
        for length in range(len(steps), 0, -1):
            for layer in reversed(self.layers):
                if says(layer.document, steps[:length]):
                    return layer
        return next((each for each in reversed(self.layers) if each.kind == "file"), self.layers[-2])

    def place(self, steps: Steps) -> str:
        """`file:line: a.b[0]` of what is at a path."""
        return ": ".join(part for part in (self.of(steps).at(steps), spelt(steps)) if part)


def toml_layer(kind: Kind, name: str, text: str) -> Layer:
    """A TOML file as a layer. Raises TOMLDecodeError."""

    def at(steps: Steps) -> str:
        line = line_of(text, steps)
        return name if line is None else f"{name}:{line}"

    return Layer(kind, tomllib.loads(text), at)


def merged(documents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Documents as one, each over those before it."""
    found: dict[str, Any] = {}
    for document in documents:
        for name, value in document.items():
            below = found.get(name)
            if isinstance(below, dict) and isinstance(value, dict):
                found[name] = merged((cast("dict[str, Any]", below), cast("dict[str, Any]", value)))
            else:
                found[name] = value
    return found


def says(document: object, steps: Steps) -> bool:
    """Whether a document has something at a path."""
    for step in steps:
        if isinstance(document, dict) and step in document:
            document = cast("dict[str | int, object]", document)[step]
        elif isinstance(document, list) and isinstance(step, int) and step < len(cast("list[object]", document)):
            document = cast("list[object]", document)[step]
        else:
            return False
    return True
