"""What guests print is let go of by threads of the engine: a process does not end before that."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from lichen.core.components.limits import CallLimits
from lichen.tools.wasm.imports.answers import ANSWERS
from lichen.tools.wasm.imports.host import ungranted
from lichen.tools.wasm.port import Trapped
from lichen.tools.wasm.running import printing
from lichen.tools.wasm.running.program import Program, compiled
from tests.tools.wasm.guests import binary

GREEDY = """
(component
  (import "wasi:io/streams@0.2.3" (instance $streams (export "output-stream" (type $os (sub resource)))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout
    (alias outer 1 $output (type $o)) (export "output-stream" (type $own (eq $o)))
    (export "get-stdout" (func (result (own $own))))))
  (core func $out (canon lower (func $stdout "get-stdout")))
  (core module $m
    (import "h" "out" (func $out (result i32)))
    (func (export "hoard") (loop $again (drop (call $out)) (br $again))))
  (core instance $i (instantiate $m (with "h" (instance (export "out" (func $out))))))
  (func (export "hoard") (canon lift (core func $i "hoard"))))
"""


def hoard() -> str:
    """How a guest ends that takes its output again and again."""
    limits = CallLimits(time_s=5)
    instance = Program(compiled(binary(GREEDY)), ANSWERS).instance(limits, ungranted(limits))
    try:
        instance.call("", "hoard")
    except Trapped as trapped:
        return trapped.kind
    finally:
        instance.close()
    return ""


@pytest.mark.req("GRE-19.10")
def test_a_guest_that_takes_its_output_again_and_again_is_stopped_and_everything_of_it_let_go() -> None:
    assert hoard() == "memory"
    printing.settle()
    assert printing.held() == 0


@pytest.mark.req("GRE-19.10")
def test_a_process_that_ends_right_after_such_a_guest_ends_well() -> None:
    text = textwrap.dedent("""
        from tests.tools.wasm.test_printing import hoard
        assert hoard() == "memory"
    """)
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr[-500:]
