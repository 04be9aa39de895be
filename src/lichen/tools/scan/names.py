"""Tools that pass for others: the same name, one that looks like it, or a description that reaches for another tool.

Source: OWASP MCP Top 10 (tool shadowing); Unicode UTS 39, confusables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lichen.tools.scan.finding import Finding
from lichen.tools.scan.hidden import plain

NAME_CHARS_MIN: Final = 5  # shorter names are words
OTHERS_MAX: Final = 2_000
_LOOKS: Final = str.maketrans("0135|аеорсухівѕјԁոɡοаνκιρτυ", "oiesiaeopcyxibsjdngoavkiptu")
_ORDER: Final = re.compile(
    r"\b(?:must|always|never|instead|do not|don't|rather than|before|whenever|replace[sd]?)\b", re.IGNORECASE
)
_WORD: Final = re.compile(r"[^\W_]+")


def named(name: str, place: str) -> Iterator[Finding]:
    """What is strange about a name by itself."""
    if not name.isascii():
        scripts = {_script(c) for c in name if c.isalpha()}
        mixed = len(scripts) > 1
        told = "Its name mixes alphabets." if mixed else "Its name is not in ASCII."
        yield Finding("name-mixed-scripts" if mixed else "name-not-ascii", "high" if mixed else "warning", place, told)


def shadowing(name: str, others: Iterable[str], place: str) -> Iterator[Finding]:
    """What is strange about a name beside those of other servers and our own."""
    own = _bare(name)
    for other in _some(others):
        theirs = _bare(other)
        if len(own) < NAME_CHARS_MIN or own.casefold() == theirs.casefold():
            if own.casefold() == theirs.casefold() and len(own) >= NAME_CHARS_MIN:
                yield Finding("shadowing-same-name", "warning", place, "A tool of somebody else has this name too.")
        elif _looks(own) == _looks(theirs):
            yield Finding("shadowing-look-alike", "high", place, "Its name looks like that of another tool.")


def reaching(text: str, own: Iterable[str], others: Iterable[str], place: str) -> Iterator[Finding]:
    """Whether a description speaks of tools that are somebody else's, and gives orders about them."""
    told = plain(text)
    mine = {_bare(each).casefold() for each in own}
    words = {each.strip(".-") for each in re.findall(r"[\w.-]+", told.casefold())}
    for other in _some(others):
        bare = _bare(other)
        is_word = "_" in bare or "-" in bare or any(c.isupper() for c in bare[1:])
        if bare.casefold() in mine or len(bare) < NAME_CHARS_MIN:
            continue
        if other.casefold() in words or (is_word and bare.casefold() in words):
            grave = _ORDER.search(told) is not None
            message = "It gives orders about another tool." if grave else "It speaks of another tool."
            yield Finding("shadowing-reach", "high" if grave else "warning", place, message)


def _some(others: Iterable[str]) -> Iterator[str]:
    for count, other in enumerate(others):
        if count >= OTHERS_MAX:
            return
        yield other


def _bare(name: str) -> str:
    """A name without that of its server."""
    return name.rpartition(".")[2]


def _looks(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).casefold().translate(_LOOKS)
    return "".join(_WORD.findall(folded)).replace("l", "i").replace("rn", "m").replace("vv", "w")


def _script(character: str) -> str:
    return unicodedata.name(character, "unknown").partition(" ")[0]


def words_of(definition: Mapping[str, object]) -> str:
    """The description of a tool, if it has one."""
    found = definition.get("description")
    return found if isinstance(found, str) else ""
