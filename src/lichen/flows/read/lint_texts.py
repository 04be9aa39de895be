"""What the texts and conditions of a flow may get wrong: templates that are none, and values that never are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final, cast

from lichen.flows.ir import Custom, Flow, Node
from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report
from lichen.flows.syntax.shape import operations
from lichen.flows.text.expr import parse_condition
from lichen.flows.text.reach import Path
from lichen.flows.text.template import TemplateError, parse_template

ROOTS: Final = (
    *("entry", "in", "input", "inputs", "node", "prev", "state", "vars", "slots", "parameters", "now", "session"),
    *("context", "this", "@index", "@key", "@first", "@last", "item", "index"),
)
_RESULT: Final = ("result", "output", "response", "error")
_STATE: Final = ("entry", "input", "nodes")
_FILTER: Final = re.compile(r"\{\{\s*([^{}|]+?)\s*\|\s*(\w+)(?:\(([^{}()]*)\))?[^{}]*\}\}")

Steps = tuple[str | int, ...]


def check_texts(node: Node, flow: Flow, document: Document, report: Report) -> None:
    """Notes every text of a node that is no template, and every value a text reads that can never be there."""
    raw = cast(dict[str, Any], document.value["nodes"][node.id])
    for key in ("in_map", "out_map", "output", "err_map", *operations(raw)):
        is_result = key in ("out_map", "output", "err_map")
        for steps, text in _texts(raw.get(key), ("nodes", node.id, key)):
            _check_text(text, steps, flow, document, report, is_result=is_result)


def check_conditions(node: Node, flow: Flow, document: Document, report: Report) -> None:
    """Notes every condition of a node that reads a node which is not there."""
    here: Steps = ("nodes", node.id)
    if node.when is not None:
        _check_paths(parse_condition(node.when).paths, (*here, "when"), flow, document, report)
    for number, route in enumerate(node.routing.routes if isinstance(node.routing, Custom) else ()):
        if route.condition is not None:
            steps = (*here, "routing", number, "condition")
            _check_paths(parse_condition(route.condition).paths, steps, flow, document, report)


def _check_text(text: str, steps: Steps, flow: Flow, document: Document, report: Report, *, is_result: bool) -> None:
    try:
        template = parse_template(text)
    except TemplateError as error:
        message = f"A text of node {steps[1]!r} is no template: {error}."
        step = f"{_advice(text)}; until then the flow loads and cannot be walked."
        report.warn("Schema", "template_syntax", message, at=document.at(*steps), next_step=step)
        return
    _check_paths(template.paths, steps, flow, document, report)
    if not is_result and flow.kind != "component-config":
        for path in dict.fromkeys(template.outer_paths):
            _check_root(path, steps, flow, document, report)


def _advice(text: str) -> str:
    """How to write it: a filter as Jinja has them is a helper here."""
    found = _FILTER.search(text)
    if found is None:
        return "Close every {{ with }} and every block"
    path, name, argument = found[1], found[2], (found[3] or "").strip()
    if name == "default":
        return f"There are no filters; write `{{{{default {path} {argument or chr(34) * 2}}}}}`"
    known = (
        f"write `{{{{json {path}}}}}`" if name in ("tojson", "json") else "there are the helpers json, default and ifEq"
    )
    return f"There are no filters; {known}"


def _check_root(path: Path, steps: Steps, flow: Flow, document: Document, report: Report) -> None:
    first = path[0]
    if first in ROOTS or first in flow.nodes:
        if first == "state" and len(path) > 1 and path[1] not in _STATE:
            message = f"`{'.'.join(path)}` is never there: `state` has entry, input and nodes."
            step = f"Write `vars.{path[1]}`, or `state.input.{path[1]}`."
            report.warn("MissingNode", "root_unknown", message, at=document.at(*steps), next_step=step)
        return
    close = get_close_matches(first, (*ROOTS[:12], *flow.nodes), 1)
    step = f"Write `{close[0]}`." if close else f"What was sent is `in.{'.'.join(path)}`, a variable `vars.{path[-1]}`."
    message = f"`{'.'.join(path)}` is never there: no node and no root is called {first!r}."
    report.warn("MissingNode", "root_unknown", message, at=document.at(*steps), next_step=step)


def _check_paths(paths: tuple[Path, ...], steps: Steps, flow: Flow, document: Document, report: Report) -> None:
    for path in paths:
        if path[0] == "node" and len(path) > 1 and path[1] not in flow.nodes:
            message = f"`{'.'.join(path)}` names node {path[1]!r}, which is not there."
            step = "Name a node of this flow."
            report.warn("MissingNode", "reference_missing", message, at=document.at(*steps), next_step=step)


def _texts(value: Any, steps: Steps) -> Iterator[tuple[Steps, str]]:
    """Every text in a value that could hold a template, with where it stands."""
    if isinstance(value, str):
        if "{{" in value:
            yield steps, value
    elif isinstance(value, dict):
        for key, inner in cast(dict[str, Any], value).items():
            yield from _texts(inner, (*steps, key))
    elif isinstance(value, list):
        for number, inner in enumerate(cast(list[Any], value)):
            yield from _texts(inner, (*steps, number))
