"""The numbers of a manifest as the names they stand for, by the tables of symbols that it brings.

Source: Greentic pack-v1 (`symbols`: component_ids, node_ids, capability_names, pack_ids, each a sorted set).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from lichen.core.words.errors import Invalid
from lichen.packs.manifests.cbor import pointer

COMPONENTS: Final = "component_ids"
NODES: Final = "node_ids"
CAPABILITIES: Final = "capability_names"
PACKS: Final = "pack_ids"
Steps = tuple[str | int, ...]
Table = dict[str, Any]


class Symbols:
    """The names that numbers stand for. A name that stands there as text is taken as it is, as older packs have it."""

    def __init__(self, tables: Any, place: str) -> None:
        found: Mapping[str, Any] = cast("Table", tables) if isinstance(tables, dict) else {}
        self._tables, self._place = found, place

    def name(self, table: str, value: Any, *steps: str | int) -> Any:
        """The name of a symbol. Raises Invalid (`pack_symbol_unknown`) at these steps of the manifest."""
        if type(value) is not int:
            return value
        names: Any = self._tables.get(table)
        if not isinstance(names, list) or not 0 <= value < len(cast("list[Any]", names)):
            step = "Build the pack anew: its manifest names a symbol that it does not bring."
            raise Invalid(
                f"There is no symbol {value} in `{table}`.",
                code="pack_symbol_unknown",
                place=f"{self._place}#{pointer(steps)}",
                next_step=step,
            )
        return cast("list[Any]", names)[value]


def resolved(value: Mapping[str, Any], place: str) -> Table:
    """A manifest with every number replaced by its name; what is of another type than it should be stays as it is.

    Raises Invalid (`pack_symbol_unknown`).
    """
    symbols = Symbols(value.get("symbols"), place)

    def named(table: str, key: str) -> Callable[[Table, Steps], Table]:
        return lambda each, at: {**each, key: symbols.name(table, each.get(key), *at, key)}

    return {
        **value,
        "pack_id": symbols.name(PACKS, value.get("pack_id"), "pack_id"),
        **_each(value, "components", (), named(COMPONENTS, "id")),
        **_each(value, "flows", (), lambda each, at: _flow(symbols, each, at)),
        **_each(value, "dependencies", (), lambda each, at: _dependency(symbols, each, at)),
        **_each(value, "capabilities", (), named(CAPABILITIES, "name")),
    }


def _each(value: Mapping[str, Any], key: str, above: Steps, of: Callable[[Table, Steps], Table]) -> Table:
    """The list at a key with each of its maps resolved."""
    found: Any = value.get(key)
    if not isinstance(found, list):
        return {}
    each = enumerate(cast("list[Any]", found))
    return {key: [of(cast("Table", one), (*above, key, i)) if isinstance(one, dict) else one for i, one in each]}


def _dependency(symbols: Symbols, value: Table, at: Steps) -> Table:
    wanted: Any = value.get("required_capabilities")
    told = {**value, "pack_id": symbols.name(PACKS, value.get("pack_id"), *at, "pack_id")}
    if isinstance(wanted, list):
        names = enumerate(cast("list[Any]", wanted))
        where = (*at, "required_capabilities")
        told["required_capabilities"] = [symbols.name(CAPABILITIES, one, *where, i) for i, one in names]
    return told


def _flow(symbols: Symbols, value: Table, at: Steps) -> Table:
    flow: Any = value.get("flow")
    if not isinstance(flow, dict):
        return value
    inner = cast("Table", flow)
    return {**value, "flow": {**inner, **_each(inner, "nodes", (*at, "flow"), lambda n, to: _node(symbols, n, to))}}


def _node(symbols: Symbols, value: Table, at: Steps) -> Table:
    node = {**value, "id": symbols.name(NODES, value.get("id"), *at, "id")}
    component: Any = value.get("component")
    if isinstance(component, dict):
        inner = cast("Table", component)
        name = symbols.name(COMPONENTS, inner.get("id"), *at, "component", "id")
        node["component"] = {**inner, "id": name}
    if "routing" in value:
        node["routing"] = _routing(symbols, value["routing"], (*at, "routing"))
    return node


def _routing(symbols: Symbols, value: Any, at: Steps) -> Any:
    """Where a node leads: `Next` and `Branch` name nodes, everything else stays as it stands."""
    table: Table = cast("Table", value) if isinstance(value, dict) else {}
    following, branch = table.get("Next"), table.get("Branch")
    if isinstance(following, dict):
        to = cast("Table", following).get("node_id")
        return {"Next": {"node_id": symbols.name(NODES, to, *at, "Next", "node_id")}}
    if isinstance(branch, dict):
        inner = cast("Table", branch)
        ways: Any = inner.get("on_status")
        found = {
            status: symbols.name(NODES, node, *at, "Branch", "on_status", status)
            for status, node in (cast("Table", ways).items() if isinstance(ways, dict) else ())
        }
        default = symbols.name(NODES, inner.get("default"), *at, "Branch", "default")
        return {"Branch": {"on_status": found, "default": default}}
    return cast("Any", value)
