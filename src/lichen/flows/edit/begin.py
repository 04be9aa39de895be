"""A flow that is begun: a file without nodes, which steps are added to."""

from __future__ import annotations

from lichen.flows.edit.text import dumped, mapped
from lichen.flows.read.load import parse


def new_flow(id: str, kind: str, *, title: str = "", description: str = "") -> str:
    """The text of a flow without nodes. Raises FlowInvalid for an id or a type that is none."""
    said = {"id": id, "type": kind, "schema_version": 2, "title": title, "description": description}
    text = dumped(mapped({**{key: value for key, value in said.items() if value != ""}, "nodes": {}}))
    parse(text, f"{id}.ygtc")
    return text
