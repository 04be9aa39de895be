"""What a compiled component exports and imports, read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from wasmtime.component import Component, ComponentInstanceType, EnumType, FuncType, ResourceType

from lichen.tools.wasm.running.engine import engine

BARE: Final = ""  # the name under which stand functions of no interface

Signatures = Mapping[str, Mapping[str, FuncType]]


class Offered(msgspec.Struct, frozen=True):
    """Implements `Exports`, with the types of everything that can be called, here and there."""

    exported: Signatures
    imported: Signatures
    others: tuple[str, ...] = ()
    resources: Mapping[str, tuple[str, ...]] = {}

    @property
    def interfaces(self) -> Mapping[str, tuple[str, ...]]:
        """The functions of each exported interface; those of none are under ""."""
        return {name: tuple(functions) for name, functions in self.exported.items()}

    @property
    def imports(self) -> tuple[str, ...]:
        """The names of what it imports."""
        bare = self.imported.get(BARE, {})
        return (*(name for name in self.imported if name != BARE), *bare, *self.others)

    def takes(self, interface: str, function: str) -> int:
        """How many arguments an exported function takes."""
        found = self.exported.get(interface, {}).get(function)
        return 0 if found is None else len(found.params)

    def cases(self, interface: str, function: str) -> tuple[str, ...]:
        """What the first argument of an exported function may be, where that is one of some names."""
        found = self.exported.get(interface, {}).get(function)
        first = found.params[0][1] if found is not None and found.params else None
        return tuple(first.names) if isinstance(first, EnumType) else ()


def offered(component: Component) -> Offered:
    """The exports and imports of a component."""
    kind = component.type
    imports = {name: each.ty for name, each in kind.imports(engine()).items()}
    others = tuple(name for name, item in imports.items() if not isinstance(item, FuncType | ComponentInstanceType))
    exports = {name: each.ty for name, each in kind.exports(engine()).items()}
    return Offered(_functions(exports), _functions(imports), others, _resources(imports))


def _resources(items: Mapping[str, object]) -> Mapping[str, tuple[str, ...]]:
    found = {name: item.exports(engine()) for name, item in items.items() if isinstance(item, ComponentInstanceType)}
    return {
        name: tuple(each for each, entry in inside.items() if isinstance(entry.ty, ResourceType))
        for name, inside in found.items()
    }


def _functions(items: Mapping[str, object]) -> Signatures:
    found: dict[str, dict[str, FuncType]] = {}
    for name, item in items.items():
        if isinstance(item, FuncType):
            found.setdefault(BARE, {})[name] = item
        elif isinstance(item, ComponentInstanceType):
            inside = {each: entry.ty for each, entry in item.exports(engine()).items()}
            found[name] = {each: kind for each, kind in inside.items() if isinstance(kind, FuncType)}
    return found
