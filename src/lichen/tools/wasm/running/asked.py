"""What guests ask of us, linked to what answers: arguments are read within the bounds of the call, and no answer raises
into the engine. What is refused is an error of the kind that the guest's own interface knows.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# the stock callback keeps exceptions in one place for all threads, so the C API is given one of ours

from __future__ import annotations

import ctypes
import itertools
import zlib
from collections.abc import Callable, Mapping
from ctypes import addressof, byref
from typing import Any, Final, NamedTuple

from wasmtime import WasmtimeError
from wasmtime import _bindings as bindings
from wasmtime import _ffi as ffi
from wasmtime.component import FuncType, Linker, ResourceType, ResultType

from lichen.tools.wasm.port import Trapped
from lichen.tools.wasm.running.exports import BARE, Offered
from lichen.tools.wasm.running.refusals import ACK, Refused, acknowledged, refusal
from lichen.tools.wasm.running.watch import HERE, raw
from lichen.tools.wasm.values.canonical import Err, Ok
from lichen.tools.wasm.values.layout import VALUE, Unfit, Unsupported
from lichen.tools.wasm.values.lifting import Read, Room, reader
from lichen.tools.wasm.values.lowering import Write, writer
from lichen.tools.wasm.values.plans import MISFITS

Answer = Callable[..., Any]
"""Answers one question: given what the call has (`Watch.host`) and the arguments. What it returns is the canonical
result; where the interface knows errors, that is what is in `Ok`, and `Refused` is the error."""


class Stops(NamedTuple):
    """An answer that ends whoever asks, for a reason."""

    reason: str

    def __call__(self, host: Any, *args: Any) -> Any:
        """Raises Trapped."""
        raise Trapped("host", self.reason)


Answers = Mapping[str, Mapping[str, Answer]]
"""By the names of interfaces, version and all, and of their functions."""


class Line(NamedTuple):
    """One function that is linked."""

    answer: Answer
    reads: tuple[Read, ...]
    write: Write | None
    result: ResultType | None


GIVEN: Final = ("wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/")
"""What the library itself answers where we do not, from a world in which there is nothing."""

_lines: dict[int, Line] = {}
_numbers = itertools.count(1)


def link(linker: Linker, offered: Offered, answers: Answers) -> None:
    """Links all of its imports but those that the library answers, each function of them: to an answer, or to nobody's.

    An interface of WASI may be answered in whichever version of 0.2 it is asked for.
    """
    for interface, functions in offered.imported.items():
        known = answers.get(interface) or answers.get(interface.rpartition(".")[0], {})
        if interface.startswith(GIVEN) and not (known and functions):
            continue
        with linker.root() as root:
            if interface == BARE:
                _link(root, functions, known)
                continue
            with root.add_instance(interface) as instance:
                own = () if interface.startswith(GIVEN) else offered.resources.get(interface, ())
                for name in own:  # what those of WASI name is another interface's
                    instance.add_resource(name, ResourceType.host(zlib.crc32(name.encode())), _let_go)
                _link(instance, functions, known)


def _link(instance: Any, functions: Mapping[str, FuncType], known: Mapping[str, Answer]) -> None:
    for name, kind in functions.items():
        _add(instance, name, _line(known.get(name, nobody), kind))


def _let_go(*_: Any) -> None:
    """What nobody gave needs no end."""


def nobody(host: Any, *args: Any) -> Any:
    """The answer to what we do not know."""
    return Refused("internal", "this is not answered here")


def _line(answer: Answer, kind: FuncType) -> Line:
    result = kind.result
    if isinstance(answer, Stops):
        return Line(answer, (), None, None)
    try:
        reads = tuple(reader(each) for _, each in kind.params)
        write = None if result is None else writer(result)
    except Unsupported:
        return Line(_untold, (), None, None)
    return Line(answer, reads, write, result if isinstance(result, ResultType) else None)


def _untold(host: Any, *args: Any) -> Any:
    raise Trapped("host", "its question bears values that are not read here")


def _add(instance: Any, name: str, line: Line) -> None:
    number = next(_numbers)
    _lines[number] = line
    text = name.encode()
    error = ffi.wasmtime_component_linker_instance_add_func(
        instance.ptr(), ctypes.create_string_buffer(text), len(text), _on_asked, number, _on_unlinked
    )
    if error:
        raise WasmtimeError._from_ptr(error)


_clone: Any = bindings._wasmtime_component_val_clone
_FINALIZER: Any = bindings._wasmtime_component_linker_instance_add_func.argtypes[5]


@ffi.wasmtime_component_func_callback_t
def _on_asked(data: int, context: Any, kind: Any, args: Any, count: int, results: Any, result_count: int) -> int:
    watch = HERE.watch
    if watch is None:
        return raw(WasmtimeError("stopped: nobody watches"))
    error = watch.ask()
    if error is None:
        try:
            _answered(_lines[data], watch.host, args, results, watch.limits.value_bytes)
        except Trapped as stopped:
            error = watch.stop(stopped.kind, stopped.detail)
        except (Unfit, *MISFITS) as unfit:
            error = watch.stop("value", str(unfit) if isinstance(unfit, Unfit) else "a value that does not fit")
        except BaseException as failed:  # noqa: BLE001 - whatever an answer raises may cost its call, never the engine
            error = watch.stop("host", type(failed).__name__)
    return 0 if error is None else raw(error)


@_FINALIZER
def _on_unlinked(data: int) -> None:
    _lines.pop(data, None)


def _answered(line: Line, host: Any, args: Any, results: Any, bytes_max: int) -> None:
    room = Room(bytes_max)
    first = addressof(args.contents) if line.reads else 0
    given = [read(first + number * VALUE, room) for number, read in enumerate(line.reads)]
    said = line.answer(host, *given)
    if line.write is None:
        return
    buffer, kept = bytearray(VALUE), []
    line.write(buffer, 0, _said(line, said), kept)
    _clone(byref(ffi.wasmtime_component_val_t.from_buffer(buffer)), results)


def _said(line: Line, said: Any) -> Any:
    """The answer in the shape of the interface's result."""
    match line.result, said:
        case None, Refused():
            raise Trapped("host", said.code)
        case None, _:
            return said
        case result, Refused():
            return Err(None if result.err is None else refusal(result.err, said))
        case result, _:
            if said is ACK:
                return Ok(None if result.ok is None else acknowledged(result.ok))
            return Ok(said)


EMPTY: Final[Answers] = {}
