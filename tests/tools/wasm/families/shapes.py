"""Guests of a given shape: their types as WIT has them, and functions that answer what stands in a table.

What a function answers is laid out in its memory beforehand, as the canonical ABI lays it out; a `Given` in it is a
text or bytes of what it was asked with.

Source: the component model, CanonicalABI.md (flattening, alignment, storing).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from lichen.tools.wasm.values.canonical import Case, Err, Ok

FLAT_MAX = 16
SCALARS = {
    "bool": (1, "i32"),
    "u8": (1, "i32"),
    "u32": (4, "i32"),
    "u64": (8, "i64"),
    "s64": (8, "i64"),
    "f32": (4, "f32"),
}
FORMATS = {"bool": "<?", "u8": "<B", "u32": "<I", "u64": "<Q", "s64": "<q", "f32": "<f"}


class List(NamedTuple):
    item: Any


class Option(NamedTuple):
    some: Any


class Result(NamedTuple):
    ok: Any
    err: Any


class Record(NamedTuple):
    name: str
    fields: Mapping[str, Any]


class Variant(NamedTuple):
    name: str
    cases: Mapping[str, Any]


class Enum(NamedTuple):
    name: str
    names: tuple[str, ...]


class Pair(NamedTuple):
    first: Any
    second: Any


BYTES = List("u8")


class Given(NamedTuple):
    """A text or bytes of the question, by the names on the way to it."""

    path: tuple[str, ...]


class Trap:
    """A function that gives up."""


class Function(NamedTuple):
    params: Mapping[str, Any]
    result: Any
    answer: Any


def cases(kind: Any) -> list[tuple[str, Any]]:
    match kind:
        case Option(some):
            return [("none", None), ("some", some)]
        case Result(ok, err):
            return [("ok", ok), ("err", err)]
        case Enum(_, names):
            return [(name, None) for name in names]
        case _:
            return list(kind.cases.items())


def fields(kind: Any) -> list[Any]:
    return list(kind.fields.values()) if isinstance(kind, Record) else list(kind)


def layout(kind: Any) -> tuple[int, int]:
    """The size and alignment of a value in memory."""
    if isinstance(kind, str):
        return (8, 4) if kind == "string" else (SCALARS[kind][0], SCALARS[kind][0])
    if isinstance(kind, List):
        return 8, 4
    if isinstance(kind, Record | Pair):
        size, align = 0, 1
        for each in fields(kind):
            one, its = layout(each)
            size, align = up(size, its) + one, max(align, its)
        return up(size, align), align
    inner = [layout(each) for _, each in cases(kind) if each is not None]
    align = max([1, *(its for _, its in inner)])
    return up(up(1, align) + max([0, *(size for size, _ in inner)]), align), align


def up(at: int, align: int) -> int:
    return -(-at // align) * align


def flat(kind: Any) -> list[str]:
    """The core values that a value is as an argument."""
    if isinstance(kind, str):
        return ["i32", "i32"] if kind == "string" else [SCALARS[kind][1]]
    if isinstance(kind, List):
        return ["i32", "i32"]
    if isinstance(kind, Record | Pair):
        return [core for each in fields(kind) for core in flat(each)]
    joined: list[str] = []
    for _, each in cases(kind):
        for number, core in enumerate([] if each is None else flat(each)):
            if number == len(joined):
                joined.append(core)
            elif joined[number] != core:
                joined[number] = "i32" if {joined[number], core} == {"i32", "f32"} else "i64"
    return ["i32", *joined]


class Memory:
    """What lies in the memory of a guest, and where something of the question is put into it."""

    def __init__(self) -> None:
        self.data = bytearray(16)
        self.holes: list[tuple[int, Given]] = []

    def room(self, size: int, align: int) -> int:
        at = up(len(self.data), align)
        self.data.extend(bytes(at - len(self.data) + size))
        return at

    def put(self, at: int, kind: Any, value: Any) -> None:
        if isinstance(value, Given) and kind in ("string", BYTES):
            self.holes.append((at, value))
        elif isinstance(kind, str) and kind != "string":
            struct.pack_into(FORMATS[kind], self.data, at, value)
        elif kind in ("string", BYTES):
            said: Any = value
            raw = said.encode() if isinstance(said, str) else bytes(said)
            where = self.room(len(raw), 1)
            self.data[where : where + len(raw)] = raw
            struct.pack_into("<II", self.data, at, where, len(raw))
        elif isinstance(kind, List):
            size, align = layout(kind.item)
            where = self.room(size * len(value), align)
            for number, each in enumerate(value):
                self.put(where + number * size, kind.item, each)
            struct.pack_into("<II", self.data, at, where, len(value))
        elif isinstance(kind, Record | Pair):
            held: Any = value
            given: list[Any] = [held[name] for name in kind.fields] if isinstance(kind, Record) else list(held)
            for each, part in zip(fields(kind), given, strict=True):
                size, align = layout(each)
                at = up(at, align)
                self.put(at, each, part)
                at += size
        else:
            self._case(at, kind, value)

    def _case(self, at: int, kind: Any, value: Any) -> None:
        match kind, value:
            case Option(), None:
                tag, payload = "none", None
            case Option(), _:
                tag, payload = "some", value
            case Result(), Ok(inner):
                tag, payload = "ok", inner
            case Result(), Err(inner):
                tag, payload = "err", inner
            case Enum(), _:
                tag, payload = value, None
            case _:
                assert isinstance(value, Case)
                tag, payload = value
        options = cases(kind)
        number = [name for name, _ in options].index(tag)
        self.data[at] = number
        inner = options[number][1]
        if inner is not None:
            align = max(layout(each)[1] for _, each in options if each is not None)
            self.put(at + up(1, align), inner, payload)


def place(params: Mapping[str, Any], path: tuple[str, ...]) -> tuple[int, int]:
    """Where something of the question is: the number of its first core value, and its place where all is in memory."""
    kind: Any = Record("", params)
    number = at = 0
    for name in path:
        for each, inner in kind.fields.items():
            size, align = layout(inner)
            at = up(at, align)
            if each == name:
                kind = inner
                break
            at, number = at + size, number + len(flat(inner))
    return number, at


def text(kind: Any, named: dict[str, str]) -> str:
    """A type as the text format has it; those that need a name are put into `named` before those that use them."""
    match kind:
        case str():
            return "float32" if kind == "f32" else kind
        case List(item):
            return f"(list {text(item, named)})"
        case Option(some):
            return f"(option {text(some, named)})"
        case Pair(first, second):
            return f"(tuple {text(first, named)} {text(second, named)})"
        case Result(ok, err):
            good = f" {text(ok, named)}" if ok is not None else ""
            return f"(result{good}{f' (error {text(err, named)})' if err is not None else ''})"
        case Enum(name, names):
            body = "(enum " + " ".join(f'"{each}"' for each in names) + ")"
        case Record(name, inside):
            body = "(record " + " ".join(f'(field "{each}" {text(of, named)})' for each, of in inside.items()) + ")"
        case Variant(name, inside):
            each = [f'(case "{tag}"{"" if of is None else " " + text(of, named)})' for tag, of in inside.items()]
            body = "(variant " + " ".join(each) + ")"
        case _:
            raise TypeError(kind)
    named.setdefault(name, body)
    return f"${name}"


def guest(interfaces: Mapping[str, Mapping[str, Function]]) -> str:
    """A component with these interfaces; those under "" are in none."""
    parts = [_inside(name, functions, number) for number, (name, functions) in enumerate(interfaces.items())]
    return "(component\n" + "\n".join(parts) + "\n)"


def _inside(interface: str, functions: Mapping[str, Function], number: int) -> str:
    named: dict[str, str] = {}
    cores: list[str] = []
    lifts: list[str] = []
    memory = Memory()
    for name, function in functions.items():
        cores.append(_core(name, function, memory))
        params = " ".join(f'(param "{each}" {text(of, named)})' for each, of in function.params.items())
        result = "" if function.result is None else f"(result {text(function.result, named)})"
        lifts.append(
            f'(func (export "{name}") {params} {result} (canon lift (core func $i "{name}") '
            '(memory (core memory $i "memory")) (realloc (core func $i "realloc"))))'
        )
    types = [f'(type ${name}-own {body}) (export ${name} "{name}" (type ${name}-own))' for name, body in named.items()]
    data = "".join(f"\\{byte:02x}" for byte in memory.data)
    pages = len(memory.data) // 65536 + 2
    body = f"""
  (core module $m
    (memory (export "memory") {pages})
    (global $next (mut i32) (i32.const {up(len(memory.data), 16)}))
    (data (i32.const 0) "{data}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1))))))
      (local.get $at))
    {" ".join(cores)})
  (core instance $i (instantiate $m))
  {" ".join(types)}
  {" ".join(lifts)}"""
    if not interface:
        return body
    exported = f'(export "{interface}" (instance $n{number}))'
    return f"(component $c{number} {body})\n(instance $n{number} (instantiate $c{number}))\n{exported}"


def _core(name: str, function: Function, memory: Memory) -> str:
    values = [core for each in function.params.values() for core in flat(each)]
    is_spilled = len(values) > FLAT_MAX
    params = "(param i32)" if is_spilled else "".join(f"(param {core})" for core in values)
    if isinstance(function.answer, Trap):
        cores = [] if function.result is None else flat(function.result)
        result = "" if not cores else f"(result {cores[0] if len(cores) == 1 else 'i32'})"
        return f'(func (export "{name}") {params} {result} unreachable)'
    if function.result is None:
        return f'(func (export "{name}") {params})'
    if len(cores := flat(function.result)) == 1:
        return f'(func (export "{name}") {params} (result {cores[0]}) ({cores[0]}.const {int(_scalar(function))}))'
    memory.holes.clear()
    size, align = layout(function.result)
    at = memory.room(size, align)
    memory.put(at, function.result, function.answer)
    code: list[str] = []
    for hole, given in memory.holes:
        local, offset = place(function.params, given.path)
        for step in (0, 1):
            said = (
                f"(i32.load offset={offset + 4 * step} (local.get 0))" if is_spilled else f"(local.get {local + step})"
            )
            code.append(f"(i32.store (i32.const {hole + 4 * step}) {said})")
    return f'(func (export "{name}") {params} (result i32) {" ".join(code)} (i32.const {at}))'


def _scalar(function: Function) -> Any:
    if isinstance(function.result, Enum):
        return function.result.names.index(function.answer)
    if isinstance(function.result, Result):
        return isinstance(function.answer, Err)
    return function.answer
