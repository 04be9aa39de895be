"""A catalogue of adapters, `{"adapters": {"messaging.telegram": ["sendMessage"]}}`, and the nodes that name none of it.

Source: greentic-flow, adapter registry and the lint rule `adapter_resolvable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid, NotFound
from lichen.flows.ir import Flow, Node
from lichen.flows.syntax.findings import Finding
from lichen.flows.syntax.shape import EXEC

CATALOG_BYTES_MAX: Final = 4 * 1024 * 1024


class Catalog(msgspec.Struct, frozen=True):
    """The operations of each adapter, which is named `namespace.adapter`."""

    adapters: Mapping[str, tuple[str, ...]]


def read_catalog(path: Path) -> Catalog:
    """The catalogue of a JSON file. Raises NotFound `catalog_missing` and Invalid `catalog_invalid`."""
    step = 'Write {"adapters": {"messaging.telegram": ["sendMessage"]}}.'
    try:
        with path.open("rb") as file:
            data = file.read(CATALOG_BYTES_MAX + 1)
    except OSError as error:
        message = f"The catalogue {path} cannot be read: {error.strerror}."
        raise NotFound(message, code="catalog_missing", next_step="Name a JSON file of adapters.") from None
    if len(data) > CATALOG_BYTES_MAX:
        message = f"The catalogue is larger than {CATALOG_BYTES_MAX} bytes."
        raise Invalid(message, code="catalog_invalid", next_step="Split it.", place=str(path))
    try:
        return msgspec.json.decode(data, type=Catalog)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"The catalogue cannot be read: {error}."
        raise Invalid(message, code="catalog_invalid", next_step=step, place=str(path)) from None


def unresolved(flow: Flow, catalog: Catalog) -> tuple[Finding, ...]:
    """An error for each node whose `namespace.adapter.operation` is not in the catalogue."""
    found: list[Finding] = []
    for node in flow.nodes.values():
        namespace, _, rest = _operation(node).partition(".")
        adapter, _, operation = rest.partition(".")
        if operation and operation not in catalog.adapters.get(f"{namespace}.{adapter}", ()):
            message = f"{node.component.operation!r} of node {node.id!r} is not in the catalogue."
            known = ", ".join(catalog.adapters.get(f"{namespace}.{adapter}", ())) or "none"
            step = f"{namespace}.{adapter} has: {known}."
            at = node.place
            found.append(
                Finding(
                    "BadComponentKey", "adapter_resolvable", message, flow.path, at.line, at.column, at.pointer, step
                )
            )
    return tuple(found)


def _operation(node: Node) -> str:
    return node.component.operation or "" if node.component.id == EXEC else ""
