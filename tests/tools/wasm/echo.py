"""Types of WIT by chance, values of them, and a guest that gives back what it gets."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as some

from lichen.tools.wasm.values.canonical import Case, Err, Ok, Some

INTEGERS = {"s8": (True, 8), "u8": (False, 8), "s16": (True, 16), "u16": (False, 16), "s32": (True, 32)} | {
    "u32": (False, 32), "s64": (True, 64), "u64": (False, 64),
}  # fmt: skip
NAMES = ("a", "b-c", "d1", "e-f-g")


class Type(NamedTuple):
    """A type as text, the definitions that it needs before it, and its values."""

    text: str
    definitions: tuple[str, ...]
    values: some.SearchStrategy[Any]
    is_option: bool = False


def integers(name: str) -> Type:
    signed, bits = INTEGERS[name]
    low = -(1 << (bits - 1)) if signed else 0
    return Type(name, (), some.integers(low, low + (1 << bits) - 1))


SCALARS = (
    *(integers(name) for name in INTEGERS),
    Type("bool", (), some.booleans()),
    Type("char", (), some.characters(exclude_categories=("Cs",))),
    Type("string", (), some.text(some.characters(exclude_categories=("Cs",)), max_size=20)),
    Type("float32", (), some.floats(width=32, allow_nan=False)),
    Type("float64", (), some.floats(allow_nan=False)),
    Type("(list u8)", (), some.binary(max_size=40)),
)


@some.composite
def types(draw: some.DrawFn, depth: int = 3) -> Type:
    """A type, at most so deep."""
    shape = draw(some.sampled_from(("scalar", *(SHAPES if depth else ()))))
    if shape == "scalar":
        return draw(some.sampled_from(SCALARS))
    inner = [draw(types(depth - 1)) for _ in range(draw(some.integers(1, 3)))]
    return draw(some.sampled_from((SHAPES[shape],)))(inner, draw)


def _list(inner: list[Type], draw: some.DrawFn) -> Type:
    return Type(f"(list {inner[0].text})", inner[0].definitions, _items(inner[0]))


def _items(item: Type) -> some.SearchStrategy[Any]:
    return some.binary(max_size=3) if item.text == "u8" else some.lists(item.values, max_size=3)


def _option(inner: list[Type], draw: some.DrawFn) -> Type:
    value = inner[0].values.map(Some) if inner[0].is_option else inner[0].values
    return Type(f"(option {inner[0].text})", inner[0].definitions, some.none() | value, is_option=True)


def _tuple(inner: list[Type], draw: some.DrawFn) -> Type:
    text = " ".join(each.text for each in inner)
    return Type(f"(tuple {text})", _definitions(inner), some.tuples(*(each.values for each in inner)))


def _result(inner: list[Type], draw: some.DrawFn) -> Type:
    ok = inner[0] if draw(some.booleans()) else None
    err = inner[-1] if draw(some.booleans()) else None
    text = f"(result{f' {ok.text}' if ok else ''}{f' (error {err.text})' if err else ''})"
    good = ok.values.map(Ok) if ok else some.just(Ok())
    bad = err.values.map(Err) if err else some.just(Err())
    return Type(text, _definitions(inner), good | bad)


def _record(inner: list[Type], draw: some.DrawFn) -> Type:
    fields = dict(zip(NAMES, inner, strict=False))
    text = " ".join(f'(field "{name}" {each.text})' for name, each in fields.items())
    values = some.fixed_dictionaries({name: each.values for name, each in fields.items()})
    return _named(f"(record {text})", inner, values)


def _variant(inner: list[Type], draw: some.DrawFn) -> Type:
    cases = dict(zip(NAMES, inner, strict=False))
    text = " ".join(f'(case "{name}" {each.text})' for name, each in cases.items())
    values = some.one_of(
        some.just(Case("none")),
        *(each.values.map(lambda value, tag=name: Case(tag, value)) for name, each in cases.items()),
    )
    return _named(f'(variant {text} (case "none"))', inner, values)


def _enum(inner: list[Type], draw: some.DrawFn) -> Type:
    return _named("(enum " + " ".join(f'"{name}"' for name in NAMES) + ")", [], some.sampled_from(NAMES))


def _flags(inner: list[Type], draw: some.DrawFn) -> Type:
    names = " ".join(f'"{name}"' for name in NAMES)
    return _named(f"(flags {names})", [], some.frozensets(some.sampled_from(NAMES)))


SHAPES = {
    "list": _list, "option": _option, "tuple": _tuple, "result": _result, "record": _record, "variant": _variant,
    "enum": _enum, "flags": _flags,
}  # fmt: skip


def _definitions(inner: list[Type]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for each in inner for text in each.definitions))


def _named(text: str, inner: list[Type], values: some.SearchStrategy[Any]) -> Type:
    """A type that has to have a name before others may speak of it."""
    return Type(f"$t{abs(hash(text)) % 10**12}", (*_definitions(inner), text), values)


def echo(kind: Type) -> str:
    """A component whose `echo` gives back a list of values of this type."""
    lines: list[str] = []
    for text in kind.definitions:
        name = f"t{abs(hash(text)) % 10**12}"
        lines.append(f'(type ${name}-own {text}) (export ${name} "{name}" (type ${name}-own))')
    return ECHO.replace("DEFINITIONS", "\n".join(lines)).replace("KIND", f"(list {kind.text})")


ECHO = """
(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 64))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1))))))
      (local.get $at))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  DEFINITIONS
  (func (export "echo") (param "given" KIND) (result KIND)
    (canon lift (core func $i "echo") (memory $memory) (realloc $realloc)))
)
"""
