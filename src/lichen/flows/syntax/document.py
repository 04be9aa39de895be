"""A YAML text as plain JSON values, and the line and column of every one of them.

One document of mappings, sequences and scalars of YAML's core schema, bounded in bytes, values and depth while it is
read. Anything that JSON cannot hold, and every key that stands twice, is refused with its place. The events are
libyaml's, which is also what upstream reads with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec
import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from lichen.flows.ir import Place
from lichen.flows.syntax.findings import FlowInvalid, Report

BYTES_MAX: Final = 4 * 1024 * 1024
VALUES_MAX: Final = 250_000
DEPTH_MAX: Final = 64

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # without libyaml slower, and otherwise the same
_CORE_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_NULL: Final = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")  # 007 is a text, as upstream reads it
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_TYPED: Final = frozenset("~nNtTfF0123456789+-.")  # how a plain scalar begins that may be something else than a text
_COLUMNS: Final = 1 << 24

Mark = int
"""A line and a column, each counted from 0, in one number."""

Marks = Mark | tuple[Mark, "dict[str, Marks] | list[Marks]"]
"""Where a value stands, and of a mapping or sequence what is in it; a mapping's value stands where its key does."""


class Document(msgspec.Struct, frozen=True):
    """`value` is the document; `marks` say where everything in the file stands."""

    value: Any
    marks: Any  # Marks, which are too many to be checked

    def at(self, *steps: str | int) -> Place:
        """Where the value at these keys and indexes stands, or the closest value around it that is in the file."""
        found: Marks = self.marks
        for step in steps:
            inner = _inside(found, step)
            if inner is None:
                break
            found = inner
        mark = found if isinstance(found, int) else found[0]
        return _place(mark, "".join(f"/{_escaped(str(step))}" for step in steps))


def _inside(marks: Marks, step: str | int) -> Marks | None:
    inner = None if isinstance(marks, int) else marks[1]
    match inner:
        case dict() if isinstance(step, str):
            return inner.get(step)
        case list() if isinstance(step, int) and 0 <= step < len(inner):
            return inner[step]
        case _:
            return None


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
        raise _refused(report, _code(error), *_complaint(error)) from None
    except (YAMLError, ValueError, OverflowError) as error:  # an escape that names no character, for one
        message = f"This is not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}."
        raise _refused(report, "yaml_syntax", message, Place(1, 1, "")) from None


def _code(error: MarkedYAMLError) -> str:
    """The parser looks ahead, and has a bound of its own that it may meet before ours."""
    return "yaml_too_deep" if "nesting depth" in str(error.problem) else "yaml_syntax"


class _Reader:
    """Composes values from the parser's events, so that no bound is passed before it is looked at."""

    def __init__(self, text: str, report: Report) -> None:
        self._report = report
        self._parsed = _LOADER(text).get_event
        self._anchors: dict[str, list[Any]] = {}
        self._recording: list[list[Any]] = []
        self._replayed: list[Iterator[Any]] = []
        self._steps: list[str | int] = []
        self._values = 0

    def document(self) -> Document:
        """The one document of the stream; null when it has none."""
        found: tuple[Any, Marks] | None = None
        starts = 0
        while (event := self._parsed()) is not None:
            if isinstance(event, DocumentStartEvent):
                starts += 1
                if starts > 1:
                    raise self._refused("yaml_documents", "A flow file holds one document.", _mark(event))
            elif isinstance(event, (AliasEvent, ScalarEvent, MappingStartEvent, SequenceStartEvent)):
                found = self._value(event, _mark(event))
        return Document(*(found or (None, 0)))

    def _next(self) -> Any:
        event = next(self._replayed[-1]) if self._replayed else self._parsed()
        for record in self._recording:
            record.append(event)
        return event

    def _value(self, event: Any, mark: Mark) -> tuple[Any, Marks]:
        self._values += 1
        if self._values > VALUES_MAX:
            raise self._refused("yaml_too_many", f"There are more than {VALUES_MAX} values, aliases counted.", mark)
        if len(self._steps) > DEPTH_MAX:
            raise self._refused("yaml_too_deep", f"Values are nested deeper than {DEPTH_MAX}.", mark)
        if isinstance(event, AliasEvent):
            return self._alias(event, mark)
        if event.anchor is None:
            return self._content(event, mark)
        self._recording.append([event])
        found = self._content(event, mark)
        self._anchors[event.anchor] = self._recording.pop()
        return found

    def _content(self, event: Any, mark: Mark) -> tuple[Any, Marks]:
        if event.tag is not None and event.tag not in _CORE_TAGS:
            message = "A flow holds plain values; tags such as this one are not read."
            raise self._refused("yaml_tag", message, _mark(event))
        if isinstance(event, ScalarEvent):
            return self._scalar(event), mark
        return self._mapping(mark) if isinstance(event, MappingStartEvent) else self._sequence(mark)

    def _alias(self, event: Any, mark: Mark) -> tuple[Any, Marks]:
        record = self._anchors.get(event.anchor)
        if record is None:
            raise self._refused("yaml_alias", f"There is no anchor &{event.anchor} before this alias.", mark)
        self._replayed.append(iter(record[1:]))
        paused, self._recording = self._recording, []
        found = self._content(record[0], mark)
        self._recording = paused
        self._replayed.pop()
        return found

    def _mapping(self, mark: Mark) -> tuple[dict[str, Any], Marks]:
        found: dict[str, Any] = {}
        marks: dict[str, Marks] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key, here = self._key(event), _mark(event)
            self._steps.append(key)
            if key in found:
                first = _place(_own(marks[key]), "")
                message = f"The key {key!r} stands here and in line {first.line}, column {first.column}."
                raise self._refused("yaml_duplicate_key", message, here)
            found[key], marks[key] = self._value(self._next(), here)
            self._steps.pop()
        return found, (mark, marks)

    def _sequence(self, mark: Mark) -> tuple[list[Any], Marks]:
        found: list[Any] = []
        marks: list[Marks] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            self._steps.append(len(found))
            value, where = self._value(event, _mark(event))
            found.append(value)
            marks.append(where)
            self._steps.pop()
        return found, (mark, marks)

    def _key(self, event: Any) -> str:
        if not isinstance(event, ScalarEvent):
            raise self._refused("yaml_key", "A key is a plain text here.", _mark(event))
        text = cast(str, event.value)
        if _is_plain(event) and (not text or text[0] in _TYPED) and not isinstance(self._plain(event), str):
            message = f"The key {text!r} is not a text in YAML and is read as one."
            step = f"Write it in quotes: {text!r}."
            self._report.warn("Yaml", "yaml_key_not_text", message, at=self._at(_mark(event)), next_step=step)
        return self._text(event)

    def _scalar(self, event: Any) -> Any:
        text = cast(str, event.value)
        if _is_plain(event) and (not text or text[0] in _TYPED):
            return self._plain(event)
        return self._text(event)

    def _plain(self, event: Any) -> Any:
        text = cast(str, event.value)
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
            return text
        raise self._refused("yaml_number", "This number is none that JSON can hold.", _mark(event))

    def _text(self, event: Any) -> str:
        text = cast(str, event.value)
        if event.style == '"' and (bad := re.search("[\x00\ud800-\udfff]", text)):
            message = f"The character U+{ord(bad.group()):04X} does not belong in a flow."
            raise self._refused("yaml_character", message, _mark(event))
        return text

    def _at(self, mark: Mark) -> Place:
        return _place(mark, "".join(f"/{_escaped(str(step))}" for step in self._steps))

    def _refused(self, code: str, message: str, mark: Mark) -> FlowInvalid:
        return _refused(self._report, code, message, self._at(mark))


def _is_plain(event: Any) -> bool:
    """A scalar without quotes and tag, whose type is to be found out."""
    return not event.style and bool(event.implicit[0])


def _mark(event: Any) -> Mark:
    mark = event.start_mark
    return mark.line * _COLUMNS + mark.column


def _own(marks: Marks) -> Mark:
    return marks if isinstance(marks, int) else marks[0]


def _place(mark: Mark, pointer: str) -> Place:
    return Place(mark // _COLUMNS + 1, mark % _COLUMNS + 1, pointer)


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
