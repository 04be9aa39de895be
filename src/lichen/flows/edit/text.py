"""A flow's file as text that is changed: comments, order and quotes stay, and what comes out is a flow again."""

from __future__ import annotations

import io
import re
from typing import Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from lichen.core.words.errors import Invalid
from lichen.flows.read.load import Loaded, parse

_INDENTED: Final = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*\n\1 +- ", re.MULTILINE)
_WIDTH: Final = 10_000  # a line is never folded


Written = dict[str, Any]
"""A mapping of the file, with whatever stands beside it there."""


def put(there: Written, place: int, key: str, value: Any) -> None:
    """Puts a member at a place among the others."""
    cast(Any, there).insert(place, key, value)


class FlowText:
    """A flow that loads, as its file says it. `nodes` are changed in place."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.flow = parse(text, path).flow
        self._yaml = _writer(text)
        self.document: Written = self._yaml.load(text)
        if not isinstance(self.document.get("nodes"), dict):
            self.document["nodes"] = CommentedMap()

    @property
    def nodes(self) -> dict[str, Written]:
        """The nodes, in their order."""
        return self.document["nodes"]

    def node(self, id: str, *, code: str) -> Written:
        """A node. Raises Invalid with this code where there is none."""
        if id not in self.nodes:
            known = ", ".join(self.nodes) or "none"
            raise Invalid(f"There is no node {id!r}.", code=code, next_step=f"Name one of: {known}.", place=self.path)
        return self.nodes[id]

    def insert(self, id: str, node: Written, *, after: str) -> None:
        """Puts a node behind another; as the last one where a comment stands between that and the next, which is about
        the next."""
        ids = list(self.nodes)
        place = ids.index(after) + 1
        if place < len(ids) and self._has_comment_before(ids[place]):
            place = len(ids)
        put(self.nodes, place, id, node)

    def _has_comment_before(self, id: str) -> bool:
        text = self.written()
        line = parse(text, self.path).flow.nodes[id].place.line
        return text.splitlines()[line - 2].lstrip().startswith("#")

    def written(self) -> str:
        """The text as it is now."""
        return _dumped(self._yaml, self.document)

    def checked(self) -> Loaded:
        """The flow as it is now. Raises FlowInvalid with everything that is wrong with it."""
        return parse(self.written(), self.path)


def _writer(text: str) -> Any:
    """Writes as this text is written: lists indented below their key, or not."""
    yaml: Any = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    if _INDENTED.search(text) or "- " not in text:
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def dumped(document: Written) -> str:
    """A document that no file has yet."""
    return _dumped(_writer(""), document)


def _dumped(yaml: Any, document: Written) -> str:
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def mapped(value: Any) -> Any:
    """JSON as it stands in such a text, each level on lines of its own."""
    match value:
        case dict():
            return CommentedMap({key: mapped(each) for key, each in cast("dict[str, Any]", value).items()})
        case list():
            return CommentedSeq([mapped(each) for each in cast("list[Any]", value)])
        case _:
            return value


def plain(value: Any) -> Any:
    """A part of such a text as JSON."""
    match value:
        case dict():
            return {str(key): plain(each) for key, each in cast("dict[Any, Any]", value).items()}
        case list():
            return [plain(each) for each in cast("list[Any]", value)]
        case bool() | None:
            return value
        case int():
            return int(value)
        case float():
            return float(value)
        case _:
            return str(value)
