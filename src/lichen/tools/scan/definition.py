"""A tool as a server defines it, every word of it looked at: names, descriptions, and whatever its schemas say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from lichen.tools.scan.finding import Finding, sorted_by_weight
from lichen.tools.scan.hidden import hidden, plain
from lichen.tools.scan.names import named, reaching, shadowing, words_of
from lichen.tools.scan.rule import Rule, found
from lichen.tools.scan.shell import SHELL_RULES
from lichen.tools.scan.words import WORD_RULES

DESCRIPTION_CHARS_MUCH: Final = 4_000
TEXTS_MAX: Final = 5_000
DEPTH_MAX: Final = 64
ASKING: Final = frozenset(
    ("sidenote", "side_note", "system_prompt", "conversation_history", "chat_history", "full_context",
     "chain_of_thought", "previous_messages", "all_messages", "model_context", "hidden_notes")
)  # fmt: skip
"""Parameters by which models were made to tell what they were told."""


def scan_definition(
    said: Mapping[str, Any], *, siblings: Iterable[str] = (), others: Iterable[str] = (), rules: tuple[Rule, ...] = ()
) -> tuple[Finding, ...]:
    """What is suspicious in the definition of a tool. `siblings` are the names of its server's tools, `others` those of
    other servers and our own, as `server.tool`; `rules` are looked for beside those we know."""
    return sorted_by_weight(_scanned(said, tuple(siblings), tuple(others), (*WORD_RULES, *SHELL_RULES, *rules)))


def _scanned(
    said: Mapping[str, Any], siblings: tuple[str, ...], others: tuple[str, ...], rules: tuple[Rule, ...]
) -> Iterator[Finding]:
    name = str(said.get("name", ""))
    yield from named(name, "/name")
    yield from shadowing(name, others, "/name")
    description = words_of(said)
    yield from reaching(description, (name, *siblings), others, "/description")
    if len(description) > DESCRIPTION_CHARS_MUCH:
        yield Finding("description-long", "info", "/description", "It describes itself at great length.")
    for count, (place, text, is_key) in enumerate(_texts(said, "", 0)):
        if count >= TEXTS_MAX:
            yield Finding("scan-limit", "warning", place, f"It has more than {TEXTS_MAX} texts; the rest was not read.")
            return
        yield from hidden(text, place)
        yield from found(rules, plain(text), place)
        if is_key and text.casefold() in ASKING:
            yield Finding("exfil-parameter", "high", place, "A parameter asks for what the model was told.")


def _texts(value: object, place: str, depth: int) -> Iterator[tuple[str, str, bool]]:
    """Every text and every key, by its JSON pointer."""
    if depth > DEPTH_MAX:
        return
    match value:
        case str():
            yield place, value, False
        case dict():
            for key, each in cast("dict[str, object]", value).items():
                inner = f"{place}/{key.replace('~', '~0').replace('/', '~1')}"
                yield inner, key, True
                yield from _texts(each, inner, depth + 1)
        case list():
            for index, each in enumerate(cast("list[object]", value)):
                yield from _texts(each, f"{place}/{index}", depth + 1)
        case _:
            return
