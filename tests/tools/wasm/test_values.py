"""Values cross between us and guests as the library's own calls have them, only faster."""

from __future__ import annotations

from typing import Any

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as some
from wasmtime import Store
from wasmtime.component import Linker

from lichen.tools.wasm.running.engine import engine
from lichen.tools.wasm.running.exports import offered
from lichen.tools.wasm.running.program import compiled
from lichen.tools.wasm.values.layout import Unfit
from lichen.tools.wasm.values.plans import cached, stock
from tests.tools.wasm.echo import Type, echo, types

MIB = 1024 * 1024


class Echo:
    """A guest that echoes, asked the fast way and the library's."""

    def __init__(self, kind: Type) -> None:
        self._component = compiled(bytes(wasmtime.wat2wasm(echo(kind))))
        self._kind = offered(self._component).exported[""]["echo"]

    def __call__(self, way: Any, value: Any, bytes_max: int = MIB) -> Any:
        store = Store(engine())
        store.set_epoch_deadline(1_000_000)
        func = Linker(engine()).instantiate(store, self._component).get_func(store, "echo")
        assert func is not None
        return way(self._kind)(func, store, (value,), bytes_max)


@pytest.mark.req("GRE-46.10")
@given(some.data())
def test_what_a_guest_echoes_is_what_it_was_given_both_ways(data: some.DataObject) -> None:
    kind = data.draw(types())
    value = data.draw(some.binary(max_size=3) if kind.text == "u8" else some.lists(kind.values, max_size=3))
    asked = Echo(kind)
    assert asked(cached, value) == value
    if not _is_ambiguous(kind):
        assert asked(stock, value) == value


def _is_ambiguous(kind: Type) -> bool:
    """The library tells cases that bear no tag by their Python classes: a boolean is a number there, and a case without
    a payload anything at all, so that of variants in variants it takes one for another."""
    said = f"{kind.text}{kind.definitions}"
    return sum(said.count(each) for each in ("(variant", "(result", "(option")) > 1 or "bool" in said


@pytest.mark.req("GRE-46.10")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("u32", [2**32]), ("u32", [-1]), ("u32", ["1"]), ("u32", [True]), ("bool", [1]), ("char", ["ab"]),
        ("char", ["\ud800"]), ("string", ["\ud800"]), ("string", [b"x"]), ("(option u8)", ["x"]),
        ("(tuple u8 u8)", [(1,)]), ("(result u8)", [1]), ("(list u8)", ["x"]), ("string", "x"), ("u32", None),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_never_reaches_the_guest(text: str, value: Any) -> None:
    asked = Echo(Type(text, (), some.nothing()))
    with pytest.raises(Unfit):
        asked(cached, value)


@pytest.mark.req("GRE-19.6")
def test_what_a_guest_gives_is_read_as_far_as_it_may_cross_and_no_further() -> None:
    asked = Echo(Type("string", (), some.nothing()))
    assert asked(cached, ["x" * 900], 1_000) == ["x" * 900]
    with pytest.raises(Unfit):
        asked(cached, ["x" * 1_100], 1_000)
    many = Echo(Type("(list u32)", (), some.nothing()))
    with pytest.raises(Unfit):
        many(cached, [[0] * 100], 1_000)
    blob = Echo(Type("(list u8)", (), some.nothing()))
    with pytest.raises(Unfit):
        blob(cached, [bytes(1_100)], 1_000)
