"""The names of tools as every provider takes them: letters, digits, `_` and `-`, and at most 64 of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from lichen.core.words.ids import ToolName

CHARS_MAX: Final = 64

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MARKED: Final = re.compile(r"-[0-9a-f]{12}$")  # how one ends that could not be spelt


def wire_name(name: str) -> str:
    """How a provider is told a tool: `orders.lookup` as `orders__lookup`, and whatever could not be told back by a
    digest. Different names stay different, whichever tools are beside them."""
    spelt = name.replace(".", "__")
    is_plain = len(spelt) <= CHARS_MAX and _PLAIN.fullmatch(spelt) is not None and _MARKED.search(spelt) is None
    if is_plain and spelt.replace("__", ".") == name:
        return spelt
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    begin = re.sub(r"[^A-Za-z0-9_-]", "_", name)[: CHARS_MAX - 14]
    return f"{begin if begin[:1].isalpha() else f't{begin}'}-{mark}"


def table(names: Iterable[str]) -> Mapping[str, ToolName]:
    """The tools of a request by what the provider calls them."""
    return {wire_name(name): ToolName(name) for name in names}


def own_name(spelt: str, known: Mapping[str, ToolName]) -> ToolName:
    """The tool that a model means. One that it made up is told as it would be spelt here."""
    return known.get(spelt) or ToolName(spelt.replace("__", "."))
