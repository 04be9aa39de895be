"""An OpenAPI document: read from JSON or YAML within bounds, its own references followed and no others.

Source: OpenAPI Specification 3.0.4 and 3.1.1; YAML 1.2, core schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.words.errors import Invalid

BYTES_MAX: Final = 16 * 1024 * 1024
PARTS_MAX: Final = 2_000_000
DEPTH_MAX: Final = 100
HOPS_MAX: Final = 16  # from reference to reference
_VERSION: Final = re.compile(r"3\.[01]\.\d+")


class Unusable(Exception):
    """Why no tool can be made of an operation."""


class Document(NamedTuple):
    """What a document says. `version` is `3.0` or `3.1`; `place` is its file."""

    tree: Mapping[str, Any]
    version: str
    place: str

    def found(self, part: Any) -> Mapping[str, Any]:
        """A part, or what its reference stands for. Raises Unusable."""
        for _ in range(HOPS_MAX):
            if not isinstance(part, dict):
                raise Unusable("Something that it is described by is no object.")
            reference = cast("dict[str, Any]", part).get("$ref")
            if reference is None:
                return cast("dict[str, Any]", part)
            part = self.at(reference)
        raise Unusable("A reference of it leads to itself.")

    def at(self, reference: object) -> Any:
        """What a reference points to. Raises Unusable for what lies outside of the document, or is not there."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise Unusable("It refers to something outside of the document.")
        part: Any = self.tree
        for step in reference.split("/")[1:]:
            name = _decoded(step)
            if isinstance(part, dict) and name in part:
                part = cast("dict[str, Any]", part)[name]
            elif isinstance(part, list) and name.isdecimal() and int(name) < len(cast("list[Any]", part)):
                part = cast("list[Any]", part)[int(name)]
            else:
                raise Unusable("It refers to something that the document does not hold.")
        return part


def _decoded(step: str) -> str:
    from urllib.parse import unquote

    return unquote(step).replace("~1", "/").replace("~0", "~")


def read(path: Path) -> Document:
    """The document in a file. Raises Invalid (`openapi_invalid`)."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise invalid(f"The document cannot be read: {error.strerror}.", str(path)) from None
    return parsed(data, str(path))


def parsed(data: bytes, place: str) -> Document:
    """The document in a text. Raises Invalid (`openapi_invalid`)."""
    if len(data) > BYTES_MAX:
        raise invalid(f"The document has more than {BYTES_MAX} bytes.", place)
    tree = _tree(data, place)
    if not isinstance(tree, dict):
        raise invalid("The document is no object.", place)
    said = cast("dict[str, Any]", tree)
    version = said.get("openapi")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        step = "Give it one of OpenAPI 3.0 or 3.1; older ones can be converted."
        raise invalid("The document is of no version that is read.", place, step)
    if not isinstance(said.get("paths", {}), dict):
        raise invalid("The paths of the document are no object.", place)
    _check_size(said, place)
    return Document(said, version[:3], place)


def _tree(data: bytes, place: str) -> Any:
    if data.lstrip()[:1] == b"{":
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            pass  # YAML may begin so, too, and says where it is wrong
    from lichen.tools.openapi.yaml import YamlRefused, loaded  # its library is loaded for YAML only

    try:
        return loaded(data)
    except YamlRefused as error:
        raise invalid(str(error), place) from None


def _check_size(tree: Any, place: str) -> None:
    """Counts without recursion: a document that is too deep must not end the process."""
    count, waiting = 0, [(tree, 0)]
    while waiting:
        part, depth = waiting.pop()
        count += 1
        if depth > DEPTH_MAX or count > PARTS_MAX:
            raise invalid("The document is nested too deeply, or has too many parts.", place)
        if isinstance(part, dict):
            waiting += [(each, depth + 1) for each in cast("dict[str, Any]", part).values()]
        elif isinstance(part, list):
            waiting += [(each, depth + 1) for each in cast("list[Any]", part)]


def invalid(message: str, place: str, next_step: str = "Correct the document, or the path to it.") -> Invalid:
    """The error of a document, or of what is said of one: code `openapi_invalid`."""
    return Invalid(message, code="openapi_invalid", place=place, next_step=next_step)
