"""Guests are bounded, stopped, and forgotten."""

from __future__ import annotations

import threading

import pytest

from lichen.core.components.limits import CallLimits
from lichen.core.words.errors import Invalid
from lichen.tools.wasm.port import Trapped
from lichen.tools.wasm.running.program import compiled
from lichen.tools.wasm.running.watch import Watch
from tests.tools.wasm.guests import HOSTILE, binary, hostile, program


def trap(function: str, *args: object, limits: CallLimits | None = None) -> str:
    """How a call of the hostile guest ends."""
    with pytest.raises(Trapped) as ended:
        hostile(limits).call("", function, *args)
    return ended.value.kind


@pytest.mark.req("GRE-19.1")
def test_an_endless_loop_is_stopped_when_its_time_is_over() -> None:
    assert trap("spin") == "time"


@pytest.mark.req("GRE-19.2")
def test_memory_does_not_grow_beyond_what_is_granted() -> None:
    guest = hostile(CallLimits(memory_mib=2))
    assert guest.call("", "grow", 16) == 1
    assert guest.call("", "grow", 100) == -1
    with pytest.raises(Trapped) as ended:
        program("(component (core module $m (memory 33)) (core instance (instantiate $m)))").instance(
            CallLimits(memory_mib=2)
        )
    assert ended.value.kind == "memory"


@pytest.mark.req("GRE-19.2")
def test_tables_and_instances_do_not_grow_beyond_what_is_granted() -> None:
    guest = hostile(CallLimits(table_elements=1_000))
    assert guest.call("", "widen", 100) == 1
    assert guest.call("", "widen", 1_000) == -1
    many = "(core instance (instantiate $m))" * 10
    with pytest.raises(Trapped) as ended:
        program(f"(component (core module $m) {many})").instance(CallLimits(instances=5))
    assert ended.value.kind == "memory"


@pytest.mark.req("GRE-19.3")
@pytest.mark.parametrize(
    ("function", "args", "kind"),
    [
        ("deeper", (0,), "stack"),
        ("boom", (), "unreachable"),
        ("divide", (0,), "arithmetic"),
        ("peek", (0x7FFF0000,), "bounds"),
        ("nothing", (), "missing"),
    ],
)
def test_what_ends_a_guest_is_told_by_its_kind(function: str, args: tuple[int, ...], kind: str) -> None:
    assert trap(function, *args) == kind


@pytest.mark.req("GRE-19.4")
def test_a_cancelled_guest_ends_within_a_few_ticks_however_much_time_it_had() -> None:
    watch = Watch(CallLimits(time_s=3_600))
    guest = program(HOSTILE).instance(watch.limits, watch)
    ended: list[str] = []

    def run() -> None:
        with pytest.raises(Trapped) as trapped:
            guest.call("", "spin")
        ended.append(trapped.value.kind)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    watch.cancel()
    thread.join(10)
    assert ended == ["cancelled"]


@pytest.mark.req("LIC-18.1")
def test_nothing_that_a_guest_keeps_outlives_its_call() -> None:
    first = hostile()
    assert [first.call("", "seen"), first.call("", "seen")] == [20_101, 30_202]
    assert hostile().call("", "seen") == 20_101


@pytest.mark.req("LIC-18.2")
def test_after_a_trap_nothing_of_the_instance_is_used_and_the_next_one_knows_nothing_of_it() -> None:
    guest = hostile()
    guest.call("", "seen")
    with pytest.raises(Trapped):
        guest.call("", "boom")
    with pytest.raises(Trapped) as again:
        guest.call("", "seen")
    assert again.value.kind == "other"
    assert hostile().call("", "seen") == 20_101


@pytest.mark.req("GRE-19.5")
def test_what_is_no_component_is_refused_by_name() -> None:
    for data in (b"", b"(component)", b"\x00asm\x01\x00\x00\x00", binary(HOSTILE)[:200]):
        with pytest.raises(Invalid) as refused:
            compiled(data, "x.wasm")
        assert (refused.value.code, refused.value.place) == ("component_invalid", "x.wasm")


SEEDED = """
(component
  (import "wasi:random/insecure-seed@VERSION" (instance $seed
    (export "insecure-seed" (func (result (tuple u64 u64))))))
  (core module $m
    (import "held" "memory" (memory 1))
    (import "seed" "take" (func $take (param i32)))
    (func (export "same") (result i32)
      (call $take (i32.const 0))
      (call $take (i32.const 16))
      (i64.eq (i64.load (i32.const 0)) (i64.load (i32.const 16)))))
  (core module $held (memory (export "memory") 1))
  (core instance $h (instantiate $held))
  (alias core export $h "memory" (core memory $memory))
  (core func $take (canon lower (func $seed "insecure-seed") (memory $memory)))
  (core instance $i (instantiate $m
    (with "held" (instance $h)) (with "seed" (instance (export "take" (func $take))))))
  (func (export "same") (result bool) (canon lift (core func $i "same")))
)
"""


@pytest.mark.req("GRE-46.1")
@pytest.mark.parametrize("version", ["0.2.0", "0.2.3", "0.2.6"])
def test_wasi_is_there_in_whichever_version_is_asked_for(version: str) -> None:
    held = program(SEEDED.replace("VERSION", version))
    assert held.instance(CallLimits(time_s=1)).call("", "same") is True
