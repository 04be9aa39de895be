"""A form that is filled in with words: one field with the whole message, several with a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from lichen.engine.answers.confirming import said


def fields_of(schema: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The fields of a schema that is an object's, by name."""
    found: Any = schema.get("properties") if schema.get("type") == "object" else None
    return cast("Mapping[str, Mapping[str, Any]]", found) if isinstance(found, Mapping) else {}


def is_choice(schema: Mapping[str, Any]) -> bool:
    """Whether a bare yes or no may be what is asked for, so that a no is an answer and no refusal to give one."""
    fields = list(fields_of(schema).values())
    return len(fields) == 1 and (fields[0].get("type") == "boolean" or "enum" in fields[0])


def parts_of(schema: Mapping[str, Any], text: str) -> Mapping[str, str] | None:
    """What of a message is for which field; None for one that is no form. With several fields each has a line of its
    own, `name: words`, by its name or its title."""
    fields = fields_of(schema)
    if not fields:
        return None
    if len(fields) == 1:
        return dict.fromkeys(fields, text.strip())
    names = {key.casefold(): name for name, each in fields.items() for key in (name, str(each.get("title", name)))}
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, colon, words = line.partition(":")
        name = names.get(key.strip().casefold())
        if not colon or name is None or name in found:
            return None
        found[name] = words.strip()
    return found


def truth(text: str) -> Iterator[bool]:
    """The yes or no that words say, if they do."""
    if text in ("true", "false"):
        yield text == "true"
    answer = said(text)
    if answer is not None:
        yield answer == "confirmed"
