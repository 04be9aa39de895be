"""How an exported function is called with canonical values: its types are resolved once, for every call of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wasmtime import Store
from wasmtime.component import Func, FuncType

from lichen.tools.wasm.values.stock import from_stock, to_stock

Call = Callable[[Func, Store, tuple[Any, ...], int], Any]
"""Calls a function in its store with arguments; what comes back may be so many bytes large."""


class Unfit(Exception):
    """A value does not fit its type, or is too large. The message says no more than that."""


def planned(kind: FuncType) -> Call:
    """How a function of this type is called."""
    return _stock(kind)


def _stock(kind: FuncType) -> Call:
    params, result = [each for _, each in kind.params], kind.result

    def call(func: Func, store: Store, args: tuple[Any, ...], bytes_max: int) -> Any:
        try:
            given = [to_stock(each, value) for each, value in zip(params, args, strict=True)]
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise Unfit("an argument does not fit its type") from error
        said = func(store, *given)
        return None if result is None else from_stock(result, said)

    return call
