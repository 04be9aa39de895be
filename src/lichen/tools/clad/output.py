"""What a command said, read as its manifest says: JSON, lines of JSON, XML, CSV or text.

Source: ToolClad, output and evidence. XML is read without entities, which can make a short text endless.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final, cast
from xml.parsers import expat

import msgspec

from lichen.tools.clad.manifest import Output

DEPTH_MAX: Final = 48
ROWS_MAX: Final = 20_000
CELL_CHARS_MAX: Final = 128 * 1024


class Unreadable(Exception):
    """What the command said is not what its manifest promises."""


def read_output(output: Output, data: bytes) -> Any:
    """The value that was said. Raises Unreadable."""
    kind = (output.parser or f"builtin:{output.format}").removeprefix("builtin:")
    match kind:
        case "json":
            return _json(data)
        case "jsonl":
            lines = [line for line in data.splitlines() if line.strip()]
            if len(lines) > ROWS_MAX:
                raise Unreadable(f"It said more than {ROWS_MAX} lines.")
            return [_json(line) for line in lines]
        case "xml":
            return _xml(data)
        case "csv":
            return list(_rows(_text(data)))
        case "text":
            return {"raw_output": data.decode(errors="replace")}
        case _:
            raise Unreadable("There is no such parser.")


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise Unreadable("It said no JSON.") from None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unreadable("It said no text in UTF-8.") from None


def _rows(text: str) -> Iterator[dict[str, Any]]:
    first = text.partition("\n")[0]
    between = "\t" if "\t" in first else "|" if "|" in first and "," not in first else ","
    csv.field_size_limit(CELL_CHARS_MAX)
    try:
        for number, row in enumerate(csv.DictReader(io.StringIO(text), delimiter=between)):
            if number >= ROWS_MAX:
                raise Unreadable(f"It said more than {ROWS_MAX} rows.")
            yield {str(name): _cell(value) for name, value in row.items() if name is not None}
    except csv.Error:
        raise Unreadable("It said no CSV.") from None


def _cell(value: Any) -> Any:
    """A cell as what it looks like: a number, a truth, or text."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if abs(number) < 2**53 else text
    return text


def _xml(data: bytes) -> Any:
    """Elements as objects: attributes as `@name`, text as `#text`, children by their names, several as a list."""
    root: dict[str, Any] = {}
    stack: list[dict[str, Any]] = [root]
    texts: list[list[str]] = [[]]
    parser = expat.ParserCreate()

    def begun(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > DEPTH_MAX:
            raise Unreadable("It said XML that is nested too deeply.")
        made: dict[str, Any] = {f"@{key}": value for key, value in attributes.items()}
        known = stack[-1].get(name)
        if known is None:
            stack[-1][name] = made
        elif isinstance(known, list):
            cast("list[Any]", known).append(made)
        else:
            stack[-1][name] = [known, made]
        stack.append(made)
        texts.append([])

    def ended(_name: str) -> None:
        made, text = stack.pop(), "".join(texts.pop()).strip()
        if text:
            made["#text"] = text

    def entity(*_said: object) -> None:
        raise Unreadable("It said XML with entities of its own.")

    parser.StartElementHandler, parser.EndElementHandler = begun, ended
    parser.CharacterDataHandler = lambda text: texts[-1].append(text)
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        raise Unreadable("It said no XML.") from None
    return root
