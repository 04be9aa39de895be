"""A component that is compiled and linked, from which an instance is made for each call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from wasmtime import Store, WasiConfig, WasmtimeError
from wasmtime.component import Component, ExportIndex, Linker

from lichen.core.components.limits import CallLimits
from lichen.core.words.errors import Invalid
from lichen.tools.wasm.running.asked import EMPTY, Answers, link
from lichen.tools.wasm.running.engine import engine
from lichen.tools.wasm.running.exports import BARE, Offered, offered
from lichen.tools.wasm.running.guest import Guest, Plan
from lichen.tools.wasm.running.printing import Sink
from lichen.tools.wasm.running.watch import Watch
from lichen.tools.wasm.values.plans import planned

WASI = "wasi:"


def compiled(data: bytes, place: str | None = None) -> Component:
    """A component, compiled now. Raises Invalid (`component_invalid`) for bytes that are none."""
    if not data.startswith(b"\x00asm"):  # wasmtime-py would take text, too
        raise invalid("This is no WebAssembly.", place)
    try:
        return Component(engine(), data)
    except WasmtimeError as error:
        reason = "It is a core module, not a component." if "component" in str(error) else "It does not compile."
        raise invalid(reason, place) from error


def invalid(message: str, place: str | None) -> Invalid:
    """The error of a file that no component is."""
    step = "Build it again, as a component: `componentize-py`, `jco` or `wasm-tools component new` make one."
    return Invalid(message, code="component_invalid", next_step=step, place=place)


class Program:
    """A component ready to run. `answers` are those to what it asks of us. Used by many threads at once."""

    def __init__(self, component: Component, answers: Answers = EMPTY) -> None:
        self._component = component
        self.exports: Offered = offered(component)
        self._linker = Linker(engine())
        self._has_wasi = any(name.startswith(WASI) for name in self.exports.imports)
        if self._has_wasi:
            self._linker.add_wasip2()
            self._linker.allow_shadowing = True
        link(self._linker, self.exports, answers)

    def instance(
        self, limits: CallLimits, watch: Watch | None = None, variables: Mapping[str, str] | None = None
    ) -> Guest:
        """A fresh instance, which knows nothing of any other, and of ours the `variables` that it is told. Raises
        Trapped where that begins with a trap."""
        watch = watch or Watch(limits)
        store = Store(engine())
        store.set_limits(
            memory_size=limits.memory_bytes,
            table_elements=limits.table_elements,
            instances=limits.instances,
            tables=limits.tables,
            memories=limits.memories,
        )
        if self._has_wasi:
            store.set_wasi(_world(watch, variables or {}))
        return Guest(store, self._linker, self._component, self.plans, watch)

    @cached_property
    def plans(self) -> Mapping[tuple[str, str], Plan]:
        """How each exported function is called."""
        found: dict[tuple[str, str], Plan] = {}
        for interface, functions in self.exports.exported.items():
            inside = None if interface == BARE else self._component.get_export_index(interface)
            for name, kind in functions.items():
                index = self._index(name, inside)
                found[interface, name] = Plan(index, planned(kind))
        return found

    def _index(self, name: str, inside: ExportIndex | None) -> ExportIndex:
        index = self._component.get_export_index(name, inside)
        assert index is not None, "what a component says that it exports is there"
        return index


def _world(watch: Watch, variables: Mapping[str, str]) -> WasiConfig:
    """A world without files, network or arguments; what is written there is bounded."""
    config = WasiConfig()
    config.env = list(variables.items())
    config.stdout_custom = config.stderr_custom = Sink(watch.write)
    return config
