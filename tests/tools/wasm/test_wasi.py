"""Guests of WASI have chance, time and variables as they were granted, and what they print lies with the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lichen.core.components.capabilities import Capabilities, capabilities_of
from lichen.core.components.limits import CallLimits
from lichen.core.components.manifest import Operation, manifest_of
from lichen.core.components.terms import Allowed, ComponentTerms
from lichen.core.words.scope import Scope
from lichen.tools.wasm.imports.answers import ANSWERS
from lichen.tools.wasm.imports.host import Granted, HostCall
from lichen.tools.wasm.loading import loaded
from lichen.tools.wasm.port import Answered, Described, Exports, Instance, Invocation, Services, Surroundings, Trapped
from lichen.tools.wasm.running.guest import Guest
from lichen.tools.wasm.running.program import Program, compiled
from lichen.tools.wasm.running.watch import Watch
from tests.tools.wasm.guests import PAIRS, STATE, binary, forwarding
from tests.tools.wasm.test_imports import GUESTS, err

NOW_US = 1_700_000_000_000_123
DATETIME = {"datetime": '(record (field "seconds" u64) (field "nanoseconds" u32))'}
VARIABLES = forwarding("wasi:cli/environment@0.2.6", {}, {"get-environment": ("", f"(result {PAIRS})", 0)})
WALL = forwarding("wasi:clocks/wall-clock@0.2.6", DATETIME, {"now": ("", "(result $datetime)", 0)})
LIBC = """
  (core module $libc
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 8192))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
"""
NUMBERS = {
    "seed": ("wasi:random/insecure@0.2.3", "get-insecure-random-u64"),
    "draw": ("wasi:random/random@0.2.0", "get-random-u64"),
    "look": ("wasi:clocks/monotonic-clock@0.2.6", "now"),
}
CHANCE = "\n".join((
    "(component",
    *(f'(import "{at}" (instance ${name} (export "{f}" (func (result u64)))))' for name, (at, f) in NUMBERS.items()),
    *(f'(core func $low-{name} (canon lower (func ${name} "{f}")))' for name, (_, f) in NUMBERS.items()),
    "(core module $m",
    *(f'(import "h" "{name}" (func ${name} (result i64)))' for name in NUMBERS),
    *(f'(func (export "{name}") (result i64) (call ${name}))' for name in NUMBERS),
    ') (core instance $i (instantiate $m (with "h" (instance',
    *(f'(export "{name}" (func $low-{name}))' for name in NUMBERS),
    "))))",
    *(f'(func (export "{name}") (result u64) (canon lift (core func $i "{name}")))' for name in NUMBERS),
    ")",
))  # fmt: skip
BYTES = f"""
(component
  (import "wasi:random/random@0.2.6" (instance $r
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  {LIBC}
  (core func $low (canon lower (func $r "get-random-bytes") (memory $memory) (realloc $realloc)))
  (core module $m
    (import "h" "low" (func $low (param i64 i32)))
    (func (export "draw") (param i64) (result i32) (call $low (local.get 0) (i32.const 64)) (i32.const 64)))
  (core instance $i (instantiate $m (with "h" (instance (export "low" (func $low))))))
  (func (export "draw") (param "len" u64) (result (list u8))
    (canon lift (core func $i "draw") (memory $memory) (realloc $realloc))))
"""
SLEEPER = """
(component
  (import "wasi:io/poll@0.2.3" (instance $poll (export "pollable" (type (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $clock
    (alias outer 1 $pollable (type $p)) (export "pollable" (type $own (eq $p)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $own))))))
  (core func $low (canon lower (func $clock "subscribe-duration")))
  (core module $m
    (import "h" "low" (func $low (param i64) (result i32)))
    (func (export "sleep") (drop (call $low (i64.const 3600000000000)))))
  (core instance $i (instantiate $m (with "h" (instance (export "low" (func $low))))))
  (func (export "sleep") (canon lift (core func $i "sleep"))))
"""
PRINTER = f"""
(component
  (import "wasi:io/error@0.2.3" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (export "output-stream" (type $os (sub resource)))
    (alias outer 1 $error (type $e)) (export "error" (type $err (eq $e)))
    (type $se (variant (case "last-operation-failed" (own $err)) (case "closed")))
    (export "stream-error" (type $see (eq $se)))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $os))
      (param "contents" (list u8)) (result (result (error $see)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout
    (alias outer 1 $output (type $o)) (export "output-stream" (type $own (eq $o)))
    (export "get-stdout" (func (result (own $own))))))
  (import "wasi:cli/stderr@0.2.3" (instance $stderr
    (alias outer 1 $output (type $o)) (export "output-stream" (type $own (eq $o)))
    (export "get-stderr" (func (result (own $own))))))
  {LIBC}
  (core func $out (canon lower (func $stdout "get-stdout")))
  (core func $err (canon lower (func $stderr "get-stderr")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory $memory) (realloc $realloc)))
  (core module $m
    (import "h" "memory" (memory 1))
    (import "h" "out" (func $out (result i32)))
    (import "h" "err" (func $err (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (data (i32.const 1024) "to stdout\\n") (data (i32.const 1040) "to stderr\\n")
    (func (export "print") (param $times i32) (local $o i32) (local $e i32)
      (local.set $o (call $out)) (local.set $e (call $err))
      (loop $again
        (call $write (local.get $o) (i32.const 1024) (i32.const 10) (i32.const 64))
        (call $write (local.get $e) (i32.const 1040) (i32.const 10) (i32.const 64))
        (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
  (core instance $i (instantiate $m (with "h" (instance (export "memory" (memory $memory)) (export "out" (func $out))
    (export "err" (func $err)) (export "write" (func $write))))))
  (func (export "print") (param "times" u32) (canon lift (core func $i "print"))))
"""


class Held:
    """One call of a guest, in a runtime whose clock and chance are known."""

    def __init__(self, text: str, may: Capabilities, *, key: str = "key-1", variables: Mapping[str, str] = {}) -> None:
        self.drawn = 0
        around = Surroundings(self.clock, self.random)
        self.call = HostCall(
            Granted(may, "component.x"), Services(around=around), scope=Scope("acme", "dev"), idempotency_key=key
        )
        self.watch = self.call.watch = Watch(CallLimits(log_bytes=1_000), self.call)
        self.guest: Guest = Program(compiled(binary(text)), ANSWERS).instance(self.watch.limits, self.watch, variables)

    def clock(self) -> int:
        return NOW_US

    def random(self, length: int) -> bytes:
        self.drawn += length
        return bytes([7]) * length

    def __call__(self, function: str, *args: Any) -> Any:
        return self.guest.call("", function, *args)


def stopped(held: Held, function: str, *args: Any) -> tuple[str, str]:
    with pytest.raises(Trapped) as trapped:
        held(function, *args)
    return trapped.value.kind, trapped.value.detail


@pytest.mark.req("GRE-46.12")
def test_chance_is_the_runtimes_where_it_was_granted() -> None:
    held = Held(CHANCE, Capabilities(random=True))
    assert held("draw") == held("seed") == int.from_bytes(bytes([7]) * 8, "little")
    assert Held(BYTES, Capabilities(random=True))("draw", 5) == bytes([7]) * 5
    assert stopped(Held(BYTES, Capabilities(random=True)), "draw", 2**40) == ("value", "more randomness than may cross")


@pytest.mark.req("GRE-46.12")
def test_without_a_grant_chance_is_the_same_on_each_attempt_and_secrets_are_not_made_of_it() -> None:
    first, again, other = (
        Held(CHANCE, Capabilities()),
        Held(CHANCE, Capabilities()),
        Held(CHANCE, Capabilities(), key="2"),
    )
    drawn = [first("seed"), first("seed")]
    assert drawn == [again("seed"), again("seed")]
    assert len({*drawn, other("seed")}) == 3
    assert stopped(first, "draw") == ("host", "randomness is not granted")
    assert first.call.notes == ["refused: randomness is not granted"]
    assert stopped(Held(BYTES, Capabilities()), "draw", 5)[0] == "host"
    assert first.drawn == 0


@pytest.mark.req("GRE-46.13")
def test_time_is_the_runtimes_where_it_was_granted_and_else_stands_still() -> None:
    assert Held(WALL, Capabilities(clocks=True))("now") == {"seconds": 1_700_000_000, "nanoseconds": 123_000}
    assert Held(WALL, Capabilities())("now") == {"seconds": 0, "nanoseconds": 0}
    assert Held(CHANCE, Capabilities(clocks=True))("look") == NOW_US * 1_000
    held = Held(CHANCE, Capabilities())
    assert 0 < held("look") < held("look") < NOW_US


@pytest.mark.req("GRE-46.13")
def test_a_guest_that_would_sleep_is_stopped_whatever_it_was_granted() -> None:
    assert stopped(Held(SLEEPER, Capabilities(clocks=True)), "sleep") == ("host", "a component does not sleep")


@pytest.mark.req("GRE-46.14")
def test_a_guest_finds_the_variables_that_it_is_told_and_none_of_ours() -> None:
    assert Held(VARIABLES, Capabilities(), variables={"REGION": "eu"})("get-environment") == [("REGION", "eu")]
    assert Held(VARIABLES, Capabilities())("get-environment") == []


@pytest.mark.req("GRE-46.15")
def test_what_a_guest_prints_lies_with_its_call_bounded() -> None:
    held = Held(PRINTER, Capabilities())
    held("print", 2)
    assert b"".join(held.watch.written) == b"to stdout\nto stderr\n" * 2
    held("print", 1_000)
    assert len(b"".join(held.watch.written)) == 1_000


class Telling:
    """A family whose guests are asked what they find."""

    name = "telling"

    def fits(self, exports: Exports) -> str | None:
        return ""

    def describe(self, instance: Instance, exports: Exports) -> Described:
        return Described("telling", members=(str(instance.call("", "draw")), str(instance.call("", "look"))))

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        return Answered(instance.call("", "draw"))


@pytest.mark.req("GRE-46.12")
def test_a_component_that_draws_or_looks_while_it_is_asked_what_it_is_is_not_stopped() -> None:
    assert loaded(binary(CHANCE), ComponentTerms("x"), (Telling(),), place="x.wasm").family == "telling"


@pytest.mark.req("GRE-46.16")
@pytest.mark.parametrize(
    ("wasi", "allow", "granted"),
    [
        ({"random": True, "clocks": True}, Allowed(), {"random", "clocks"}),
        ({"random": False, "clocks": False}, Allowed(), set[str]()),
        ({}, Allowed(), {"random", "clocks"}),  # it says nothing, and imports both
        ({"random": True, "clocks": True}, Allowed(random=False, clocks=False), set[str]()),
        ({"random": True, "clocks": False}, Allowed(), {"random"}),
        ({"filesystem": {"mode": "sandbox"}}, Allowed(), {"random", "clocks"}),
    ],
)
def test_a_component_has_of_wasi_what_it_declares_or_imports_and_was_granted(
    wasi: dict[str, Any], allow: Allowed, granted: set[str]
) -> None:
    manifest = manifest_of({"id": "x", "capabilities": {"wasi": wasi}})
    may = allow.of(manifest.capabilities.besides(Capabilities(random=True, clocks=True)))
    assert {name for name in ("random", "clocks", "filesystem", "env") if getattr(may, name)} == granted


@pytest.mark.req("GRE-46.14")
def test_variables_are_those_that_are_declared_and_told() -> None:
    allow = Allowed(env={"REGION": "eu", "DEBUG": "1"})

    def told(wasi: Any) -> tuple[str, ...]:
        return allow.of(capabilities_of({"wasi": wasi}).besides(Capabilities(env=True))).variables

    assert told({"env": {"allow": ["REGION", "HOME"]}}) == ("REGION",)
    assert told({"env": {"allow": []}}) == ()
    assert told({}) == ("REGION", "DEBUG")
    for env in ({"A=B": "x"}, {"": "x"}):
        with pytest.raises(ValueError, match="variables"):
            Allowed(env=env)


class Looking:
    """A family whose guests ask us something while they are asked what they are."""

    name = "looking"

    def fits(self, exports: Exports) -> str | None:
        return ""

    def describe(self, instance: Instance, exports: Exports) -> Described:
        return Described("looking", operations=(Operation(f"said_{err(instance.call('', 'read', 'k'))}"),))

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        raise AssertionError("it is only asked what it is")


@pytest.mark.req("GRE-46.20")
def test_what_a_component_asks_of_us_while_it_is_asked_what_it_is_is_refused_and_it_goes_on() -> None:
    text = forwarding(STATE, *GUESTS[STATE])
    (tool,) = loaded(binary(text), ComponentTerms("x", allow=Allowed(state="read")), (Looking(),), place="x").tools
    assert tool.operation == "said_denied"
