"""A YAML text as plain JSON values, and the line and column of every one of them.

One document of mappings, sequences and scalars of YAML's core schema, bounded in bytes, values and depth. Anything
that JSON cannot hold, and every key that stands twice, is refused with its place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lichen.flows.findings import FlowInvalid, Report
from lichen.flows.ir import Place

BYTES_MAX: Final = 1024 * 1024
VALUES_MAX: Final = 60_000
DEPTH_MAX: Final = 64

_CORE_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_NULL: Final = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")  # 007 is a text, as upstream reads it
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Document(msgspec.Struct, frozen=True):
    """`value` is the document; `places` has every value under its JSON pointer, a mapping's value where its key is."""

    value: Any
    places: Mapping[str, Place]

    def at(self, *steps: str | int) -> Place:
        """Where the value at these keys and indexes stands, or the closest value around it that is in the file."""
        for length in range(len(steps), -1, -1):
            pointer = "".join(f"/{_escaped(str(step))}" for step in steps[:length])
            if pointer in self.places:
                wanted = "".join(f"/{_escaped(str(step))}" for step in steps)
                return msgspec.structs.replace(self.places[pointer], pointer=wanted)
        raise AssertionError("every document has a place for its root")


def read(text: str, report: Report) -> Document:
    """The document of a text. Raises FlowInvalid of kind Yaml with a code that begins with `yaml_`."""
    if len(text.encode(errors="surrogatepass")) > BYTES_MAX:
        raise _refused(report, "yaml_too_large", f"The file is larger than {BYTES_MAX} bytes.", Place(1, 1, ""))
    if bad := _CONTROLS.search(text):
        message = f"The character U+{ord(bad.group()):04X} does not belong in a flow."
        raise _refused(report, "yaml_character", message, _place_in(text, bad.start()))
    try:
        return _Reader(text, report).document()
    except MarkedYAMLError as error:
        raise _refused(report, "yaml_syntax", *_complaint(error)) from None
    except (YAMLError, ValueError, OverflowError) as error:  # an escape that names no character, for one
        message = f"This is not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}."
        raise _refused(report, "yaml_syntax", message, Place(1, 1, "")) from None


class _Event(NamedTuple):
    """What the parser met. `is_plain`: a scalar without quotes, whose type is to be found out."""

    what: Literal["document", "mapping", "sequence", "scalar", "alias", "end"]
    line: int
    column: int
    text: str
    anchor: str | None
    tag: str | None
    is_plain: bool

    def at(self, pointer: str) -> Place:
        """Its place under a pointer."""
        return Place(self.line, self.column, pointer)


def _events(text: str) -> Iterator[_Event]:
    kinds = {"DocumentStart": "document", "MappingStart": "mapping", "SequenceStart": "sequence", "Scalar": "scalar"}
    kinds |= {"Alias": "alias", "MappingEnd": "end", "SequenceEnd": "end"}
    for raw in cast(Iterator[Any], cast(Any, YAML(typ="safe", pure=True)).parse(text)):
        what: Any = kinds.get(type(raw).__name__.removesuffix("Event"))
        if what is None:
            continue
        tag = None if what in ("document", "end", "alias") else raw.tag
        is_plain = what == "scalar" and bool(raw.implicit[0]) and not raw.style
        content = raw.value if what == "scalar" else ""
        mark = raw.start_mark
        yield _Event(what, mark.line + 1, mark.column + 1, content, getattr(raw, "anchor", None), tag, is_plain)


class _Reader:
    """Composes values from the parser's events, so that no bound is passed before it is looked at."""

    def __init__(self, text: str, report: Report) -> None:
        self._report = report
        self._events = _events(text)
        self._places: dict[str, Place] = {}
        self._anchors: dict[str, list[_Event]] = {}
        self._recording: list[list[_Event]] = []
        self._replayed: list[Iterator[_Event]] = []
        self._values = 0

    def document(self) -> Document:
        """The one document of the stream; null when it has none."""
        starts = 0
        value: Any = None
        for event in self._events:
            if event.what != "document":
                value = self._value(event, 0, event.at(""))
                continue
            starts += 1
            if starts > 1:
                raise self._refused("yaml_documents", "A flow file holds one document.", event.at(""))
        self._places.setdefault("", Place(1, 1, ""))
        return Document(value, self._places)

    def _next(self) -> _Event:
        event = next(self._replayed[-1]) if self._replayed else next(self._events)
        for record in self._recording:
            record.append(event)
        return event

    def _value(self, event: _Event, depth: int, place: Place) -> Any:
        self._values += 1
        if self._values > VALUES_MAX:
            raise self._refused("yaml_too_many", f"There are more than {VALUES_MAX} values, aliases counted.", place)
        if depth > DEPTH_MAX:
            raise self._refused("yaml_too_deep", f"Values are nested deeper than {DEPTH_MAX}.", place)
        self._places[place.pointer] = place
        if event.what == "alias":
            return self._alias(event, depth, place)
        if event.anchor is None:
            return self._content(event, depth, place.pointer)
        self._recording.append([event])
        value = self._content(event, depth, place.pointer)
        self._anchors[event.anchor] = self._recording.pop()
        return value

    def _content(self, event: _Event, depth: int, pointer: str) -> Any:
        if event.tag is not None and event.tag not in _CORE_TAGS:
            message = "A flow holds plain values; tags such as this one are not read."
            raise self._refused("yaml_tag", message, event.at(pointer))
        if event.what == "mapping":
            return self._mapping(depth, pointer)
        if event.what == "sequence":
            return self._sequence(depth, pointer)
        return self._plain(event, pointer) if event.is_plain else self._text(event, pointer)

    def _alias(self, event: _Event, depth: int, place: Place) -> Any:
        record = self._anchors.get(event.anchor or "")
        if record is None:
            raise self._refused("yaml_alias", f"There is no anchor &{event.anchor} before this alias.", place)
        self._replayed.append(iter(record[1:]))
        paused, self._recording = self._recording, []
        value = self._content(record[0], depth, place.pointer)
        self._recording = paused
        self._replayed.pop()
        return value

    def _mapping(self, depth: int, pointer: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (event := self._next()).what != "end":
            key = self._key(event, pointer)
            place = event.at(f"{pointer}/{_escaped(key)}")
            if key in found:
                first = self._places[place.pointer]
                message = f"The key {key!r} stands here and in line {first.line}, column {first.column}."
                raise self._refused("yaml_duplicate_key", message, place)
            found[key] = self._value(self._next(), depth + 1, place)
        return found

    def _sequence(self, depth: int, pointer: str) -> list[Any]:
        found: list[Any] = []
        while (event := self._next()).what != "end":
            found.append(self._value(event, depth + 1, event.at(f"{pointer}/{len(found)}")))
        return found

    def _key(self, event: _Event, pointer: str) -> str:
        if event.what != "scalar":
            raise self._refused("yaml_key", "A key is a plain text here.", event.at(pointer))
        if event.is_plain and not isinstance(self._plain(event, pointer), str):
            message = f"The key {event.text!r} is not a text in YAML and is read as one."
            step = f"Write it in quotes: {event.text!r}."
            self._report.warn("Yaml", "yaml_key_not_text", message, at=event.at(pointer), next_step=step)
        return self._text(event, pointer)

    def _plain(self, event: _Event, pointer: str) -> Any:
        text = event.text
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text.lower() == "true"
        if _INT.fullmatch(text):
            number = int(text, 0 if text[:2] in ("0x", "0o") else 10) if len(text) <= 24 else 1 << 64
            if -(1 << 63) <= number < 1 << 64:
                return number
        elif _FLOAT.fullmatch(text):
            if math.isfinite(decimal := float(text)):
                return decimal
        elif not _NO_NUMBER.fullmatch(text):
            return self._text(event, pointer)
        raise self._refused("yaml_number", "This number is none that JSON can hold.", event.at(pointer))

    def _text(self, event: _Event, pointer: str) -> str:
        if bad := re.search("[\x00\ud800-\udfff]", event.text):
            message = f"The character U+{ord(bad.group()):04X} does not belong in a flow."
            raise self._refused("yaml_character", message, event.at(pointer))
        return event.text

    def _refused(self, code: str, message: str, place: Place) -> FlowInvalid:
        return _refused(self._report, code, message, place)


_STEPS: Final = {
    "yaml_too_large": "Split the flow; call one flow from the other with flow.call.",
    "yaml_too_many": "Split the flow, and write out what aliases multiply.",
    "yaml_too_deep": "Write it flatter.",
    "yaml_number": "Write it as a text, in quotes.",
    "yaml_duplicate_key": "Keep one of the two.",
    "yaml_tag": "Remove the tag.",
}


def _refused(report: Report, code: str, message: str, place: Place) -> FlowInvalid:
    return report.refuse("Yaml", code, message, at=place, next_step=_STEPS.get(code, "Correct the YAML at this place."))


def _complaint(error: MarkedYAMLError) -> tuple[str, Place]:
    found = cast(Any, error)
    mark = found.problem_mark or found.context_mark
    place = Place(mark.line + 1, mark.column + 1, "") if mark else Place(1, 1, "")
    return f"This is not YAML: {found.problem or found.context}.", place


def _place_in(text: str, offset: int) -> Place:
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, "")


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
