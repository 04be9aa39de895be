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
