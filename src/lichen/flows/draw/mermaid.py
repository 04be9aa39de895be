"""A flow as a Mermaid flowchart, for places that draw those."""

from __future__ import annotations

from typing import Final

from lichen.flows.ir import Flow
from lichen.flows.read.graph import Look, graph_of

_SHAPES: Final[dict[Look, tuple[str, str]]] = {
    "say": ("(", ")"),
    "ask": ("{{", "}}"),
    "approve": ("{{", "}}"),
    "agent": ("([", "])"),
    "tool": ("[", "]"),
    "state": ("[(", ")]"),
    "flow": ("[[", "]]"),
}


def mermaid(flow: Flow) -> str:
    """The flow as the text of a Mermaid flowchart."""
    graph = graph_of(flow)
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    for node in graph.nodes:
        left, right = _SHAPES[node.look]
        lines.append(f'  {names[node.id]}{left}"{_safe(node.id)}<br>{_safe(node.operation)}"{right}')
    for number, mark in enumerate(graph.marks):
        name, said = f"m{number}", _said(mark.label)
        shape = '(("reply"))' if mark.what == "reply" else '((" "))' if mark.what == "start" else '(("end"))'
        tie = f"{name} -->{said} {names[mark.of]}" if mark.what == "start" else f"{names[mark.of]} -->{said} {name}"
        lines += [f"  {name}{shape}", f"  {tie}"]
    lines += [f"  {names[way.source]} -->{_said(way.label)} {names[way.target]}" for way in graph.ways]
    return "\n".join(lines) + "\n"


def _said(label: str) -> str:
    return f'|"{_safe(label)}"|' if label else ""


def _safe(text: str) -> str:
    """Text in which nothing means anything to Mermaid or HTML."""
    return "".join(char if char.isalnum() or char in " .-_:/" else f"#{ord(char)};" for char in " ".join(text.split()))
