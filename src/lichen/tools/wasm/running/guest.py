"""One instance of a component in a store of its own, for one call. After a trap nothing of it is used again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wasmtime import Store, WasmtimeError
from wasmtime.component import Component, ExportIndex, Func, Linker

from lichen.tools.wasm.port import Trapped
from lichen.tools.wasm.running.engine import ticks
from lichen.tools.wasm.running.traps import trapped
from lichen.tools.wasm.running.watch import HERE, Watch, watched
from lichen.tools.wasm.values.plans import Call, Unfit


class Plan(NamedTuple):
    """Where an exported function is, and how it is called."""

    where: ExportIndex
    call: Call


class Guest:
    """Implements `Instance`. Belongs to one thread at a time; made once, gone when it is let go."""

    def __init__(
        self,
        store: Store,
        linker: Linker,
        component: Component,
        plans: Mapping[tuple[str, str], Plan],
        watch: Watch,
    ) -> None:
        self.watch = watch
        self._store, self._plans = store, plans
        self._is_dead = False
        watched(store, watch)
        self._instance = self._run(lambda: linker.instantiate(store, component))

    def has(self, interface: str, function: str) -> bool:
        """Whether it exports the function."""
        return (interface, function) in self._plans

    def call(self, interface: str, function: str, *args: Any) -> Any:
        """What the function returns. Raises Trapped."""
        plan = self._plans.get((interface, function))
        if plan is None:
            raise Trapped("missing", "the component has no such function")
        return self._run(lambda: self._called(plan, args))

    def close(self) -> None:
        """Lets go of its memory now."""
        self._is_dead = True
        self._store.close()

    def _called(self, plan: Plan, args: tuple[Any, ...]) -> Any:
        found = self._instance.get_func(self._store, plan.where)
        assert isinstance(found, Func), "an index of a function leads to one"
        return plan.call(found, self._store, args, self.watch.limits.value_bytes)

    def _run(self, work: Callable[[], Any]) -> Any:
        """What `work` gives, with time passing for the guest, and only for it."""
        if self._is_dead:
            raise Trapped("other", "it had ended before")
        before, HERE.watch = HERE.watch, self.watch
        try:
            with ticks().going():
                return work()
        except WasmtimeError as error:
            self._is_dead = True
            raise trapped(error, self.watch) from None
        except Unfit as error:
            self._is_dead = True
            raise Trapped("value", str(error)) from None
        finally:
            HERE.watch = before
