"""How functions are called with canonical values, and how ours are when a guest calls them: types are resolved once.

What `lowering` and `lifting` do not know (handles, streams) goes by the stock calls of wasmtime-py.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# the call of the C API has no public form that takes values as they lie

from __future__ import annotations

import struct
from collections.abc import Callable
from ctypes import addressof, byref
from typing import Any, Final

from wasmtime import Store, WasmtimeError
from wasmtime import _bindings as bindings
from wasmtime import _ffi as ffi
from wasmtime.component import Func, FuncType

from lichen.tools.wasm.values.layout import VALUE, Unfit, Unsupported
from lichen.tools.wasm.values.lifting import Room, reader
from lichen.tools.wasm.values.lowering import Kept, writer
from lichen.tools.wasm.values.stock import from_stock, to_stock

Call = Callable[[Func, Store, tuple[Any, ...], int], Any]
"""Calls a function in its store with arguments; what comes back may be so many bytes large."""

MISFITS: Final = (TypeError, ValueError, KeyError, AttributeError, OverflowError, struct.error)
_enter: Any = bindings._wasmtime_component_func_call
_delete: Any = bindings._wasmtime_component_val_delete


def planned(kind: FuncType) -> Call:
    """How a function of this type is called. What does not fit raises Unfit, a trap WasmtimeError."""
    try:
        return cached(kind)
    except Unsupported:
        return stock(kind)


def cached(kind: FuncType) -> Call:
    """The fast way. Raises Unsupported for a type that it does not know."""
    writers = [writer(each) for _, each in kind.params]
    read = None if kind.result is None else reader(kind.result)
    count, results = len(writers), 0 if read is None else 1

    def call(func: Func, store: Store, args: tuple[Any, ...], bytes_max: int) -> Any:
        given, kept = bytearray(max(1, count) * VALUE), []
        written(writers, args, given, kept)
        said = ffi.wasmtime_component_val_t()
        array = (ffi.wasmtime_component_val_t * max(1, count)).from_buffer(given)
        error = _enter(byref(func._func), store._context(), array, count, byref(said) if results else None, results)
        if error:
            raise WasmtimeError._from_ptr(error)
        if read is None:
            return None
        try:
            return read(addressof(said), Room(bytes_max))
        finally:
            _delete(byref(said))

    return call


def written(writers: list[Any], args: tuple[Any, ...], given: bytearray, kept: Kept) -> None:
    """Writes arguments, one behind the other. Raises Unfit."""
    if len(args) != len(writers):
        raise Unfit("the function takes another number of arguments")
    try:
        for number, (write, value) in enumerate(zip(writers, args, strict=True)):
            write(given, number * VALUE, value, kept)
    except MISFITS as error:
        raise Unfit("an argument does not fit its type") from error


def stock(kind: FuncType) -> Call:
    """The way of wasmtime-py itself, for every type that it knows."""
    params, result = [each for _, each in kind.params], kind.result

    def call(func: Func, store: Store, args: tuple[Any, ...], bytes_max: int) -> Any:
        try:
            given = [to_stock(each, value) for each, value in zip(params, args, strict=True)]
        except MISFITS as error:
            raise Unfit("an argument does not fit its type") from error
        said = func(store, *given)
        return None if result is None else from_stock(result, said)

    return call
