"""Guests as text: each does one thing, most of them a bad one."""

from __future__ import annotations

from functools import cache

import wasmtime

from lichen.core.components.limits import CallLimits
from lichen.tools.wasm.running.guest import Guest
from lichen.tools.wasm.running.program import Program, compiled

HOSTILE = """
(component
  (core module $m
    (memory (export "memory") 1)
    (table (export "table") 1 funcref)
    (global $seen (mut i32) (i32.const 0))
    (func (export "spin") (loop $again (br $again)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "widen") (param i32) (result i32) (table.grow (ref.null func) (local.get 0)))
    (func $deeper (export "deeper") (param i32) (result i32)
      (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
    (func (export "boom") unreachable)
    (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
    (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "seen") (result i32)
      (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (drop (table.grow (ref.null func) (i32.const 1)))
      (i32.add (i32.mul (table.size) (i32.const 10000))
        (i32.add (i32.mul (global.get $seen) (i32.const 100)) (i32.load (i32.const 0)))))
    (func (export "huge") (result i32)
      (i32.store (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (i32.const 0x3fff000))
      (drop (memory.grow (i32.const 1023)))
      (i32.const 16)))
  (core instance $i (instantiate $m))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "widen") (param "by" u32) (result s32) (canon lift (core func $i "widen")))
  (func (export "deeper") (param "n" u32) (result u32) (canon lift (core func $i "deeper")))
  (func (export "boom") (canon lift (core func $i "boom")))
  (func (export "divide") (param "by" u32) (result u32) (canon lift (core func $i "divide")))
  (func (export "peek") (param "at" u32) (result u32) (canon lift (core func $i "peek")))
  (func (export "seen") (result u32) (canon lift (core func $i "seen")))
  (func (export "huge-text") (result string) (canon lift (core func $i "huge") (memory (core memory $i "memory"))))
  (func (export "huge-bytes") (result (list u8)) (canon lift (core func $i "huge") (memory (core memory $i "memory"))))
)
"""


@cache
def binary(text: str) -> bytes:
    """A component of text."""
    return bytes(wasmtime.wat2wasm(text))


@cache
def program(text: str) -> Program:
    """The component compiled and linked, without anything to ask of us."""
    return Program(compiled(binary(text)))


def hostile(limits: CallLimits | None = None) -> Guest:
    """A fresh instance of the guest that does whatever it must not."""
    return program(HOSTILE).instance(limits or CallLimits(time_s=0.1, memory_mib=2))


CLERK = """
(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (data (i32.const 1024) "nothing was said")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "execute") (param i32 i32 i32 i32 i32 i32 i64) (result i32)
      (if (i32.and (i32.gt_u (local.get 3) (i32.const 3)) (i32.eq (i32.load (local.get 2)) (i32.const 0x6e697073)))
        (then (loop $again (br $again))))
      (if (i32.eqz (local.get 3))
        (then
          (i32.store (i32.const 24) (i32.const 1))
          (i32.store (i32.const 28) (i32.const 1024))
          (i32.store (i32.const 32) (i32.const 16)))
        (else
          (i32.store8 (i32.const 8) (i32.const 1))
          (i32.store (i32.const 12) (i32.const 1))
          (i32.store (i32.const 16) (local.get 2))
          (i32.store (i32.const 20) (local.get 3))))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (type $message-own (record (field "id" string) (field "content" string) (field "sender" string)
    (field "timestamp" u64)))
  (export $message "message" (type $message-own))
  (type $outcome-own (record (field "success" bool) (field "data" (option string)) (field "error" (option string))))
  (export $outcome "outcome" (type $outcome-own))
  (func (export "execute") (param "input" $message) (result $outcome)
    (canon lift (core func $i "execute") (memory $memory) (realloc $realloc)))
)
"""
"""Gives back what is said to it, spins when that begins with `spin`, and fails when nothing is said."""

ERROR = '(record (field "code" string) (field "message" string))'
STATE = "greentic:state/state-store@1.0.0"
SECRETS = "greentic:secrets-store/secrets-store@1.0.0"
HTTP = "greentic:http/http-client@1.1.0"
CONTROL = "greentic:component/control@0.6.0"
LOGGER = "greentic:telemetry/logger-api@1.0.0"
BROKER = "greentic:oauth-broker/broker-v1@1.0.0"
PAIRS = "(list (tuple string string))"


def forwarding(interface: str, types: dict[str, str], functions: dict[str, tuple[str, str, int]]) -> str:
    """A guest that asks us whatever it is asked. A function is its parameters, its result, and how many core values its
    parameters are; a result has to be one that is returned in memory."""
    named = "".join(f'(type ${n}-in {text}) (export "{n}" (type ${n} (eq ${n}-in)))' for n, text in types.items())
    ours = "".join(f'(alias export $host "{name}" (type ${name}))' for name in types)
    asked = "".join(f'(export "{name}" (func {params} {result}))' for name, (params, result, _) in functions.items())
    lowered = "".join(
        f'(core func $low-{name} (canon lower (func $host "{name}") (memory $memory) (realloc $realloc)))'
        for name in functions
    )
    imports = "".join(
        f'(import "host" "{name}" (func $low-{name} (param {"i32 " * (count + 1)})))'
        for name, (_, _, count) in functions.items()
    )
    bodies = "".join(
        f'(func (export "{name}") (param {"i32 " * count}) (result i32) (call $low-{name} '
        + "".join(f"(local.get {i}) " for i in range(count))
        + "(i32.const 64)) (i32.const 64))"
        for name, (_, _, count) in functions.items()
    )
    flood = next(iter(functions))
    spinning = "".join("(i32.const 0) " for _ in range(functions[flood][2]))
    lifted = "".join(
        f'(func (export "{name}") {params} {result}'
        f' (canon lift (core func $i "{name}") (memory $memory) (realloc $realloc)))'
        for name, (params, result, _) in functions.items()
    )
    return f"""
(component
  (import "{interface}" (instance $host {named} {asked}))
  {ours}
  (core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1))))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  {lowered}
  (core module $m
    {imports}
    {bodies}
    (func (export "flood") (loop $again (call $low-{flood} {spinning} (i32.const 64)) (br $again))))
  (core instance $i (instantiate $m (with "host" (instance {
        "".join(f'(export "{name}" (func $low-{name}))' for name in functions)
    }))))
  {lifted}
  (func (export "flood") (canon lift (core func $i "flood")))
)
"""
