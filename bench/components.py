"""What a component costs: a call in a fresh instance and in one that is there, beside the library's own calls, for a
guest by hand and for those that the templates give in C, JavaScript and Python; what a thousand instances hold; a start
of five megabytes of code, compiled and kept; and a pack of fifty files, opened and verified.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import Store, WasiConfig
from wasmtime.component import Func, Linker, Record

from bench.figure import Figure
from lichen.cli.guests.beginning import begun
from lichen.cli.guests.building import build
from lichen.cli.guests.source import LANGUAGES
from lichen.core.components.limits import CallLimits
from lichen.core.words.scope import Scope
from lichen.packs.building.building import build as build_pack
from lichen.packs.building.folder import read_folder
from lichen.packs.building.signing import signed_pack
from lichen.packs.container.archive import opened
from lichen.packs.manifests.reading import read_manifest
from lichen.packs.proofs.keys import new_key
from lichen.packs.proofs.trust import proven
from lichen.tools.wasm.documents.contexts import exec_context
from lichen.tools.wasm.port import TenantContext
from lichen.tools.wasm.running.cache import Cache
from lichen.tools.wasm.running.engine import engine
from lichen.tools.wasm.running.guest import Guest
from lichen.tools.wasm.running.program import Program, compiled
from tests.tools.wasm.guests import CLERK, binary

ROUNDS = 2_000
INSTANCES = 1_000
FUNCTIONS = 7_000  # make about five megabytes
LIMITS = CallLimits()
NODE = "greentic:component/node@0.5.0"
MESSAGE = {"id": "m-1", "content": "where is my order 1042", "sender": "customer", "timestamp": 1_700_000_000}


def figures() -> list[Figure]:
    """Calls, memory and starts."""
    program = Program(compiled(binary(CLERK)))
    return [_fresh(program), _warm(program), _held(program), _started(), *_built(), _opened()]


def _fresh(program: Program) -> Figure:
    def ours() -> None:
        instance = program.instance(LIMITS)
        instance.call("", "execute", MESSAGE)
        instance.close()

    component, linker, message = compiled(binary(CLERK)), Linker(engine()), _record()

    def stock() -> None:
        store = Store(engine())
        store.set_epoch_deadline(1_000_000)
        function = linker.instantiate(store, component).get_func(store, "execute")
        assert function is not None
        function(store, message)
        store.close()

    mine, theirs = _in_turns(ours, stock)
    named = Figure("component call fresh", "a call of a component in an instance of its own", mine, "µs", "lower")
    return named.beside("wasmtime-py, stock calls, no limits", version("wasmtime"), theirs)


def _warm(program: Program) -> Figure:
    instance = program.instance(LIMITS)
    store, message = Store(engine()), _record()
    store.set_epoch_deadline(10_000_000)
    function = Linker(engine()).instantiate(store, compiled(binary(CLERK))).get_func(store, "execute")
    assert function is not None
    found = function
    mine, theirs = _in_turns(lambda: instance.call("", "execute", MESSAGE), lambda: found(store, message), rounds=200)
    named = Figure("component call warm", "a call of a component in an instance that is there", mine, "µs", "lower")
    return named.beside("wasmtime-py, stock calls, no limits", version("wasmtime"), theirs)


def _held(program: Program) -> Figure:
    before = _resident_kib()
    held: list[Guest] = []
    for _ in range(INSTANCES):
        held.append(program.instance(LIMITS))
        held[-1].call("", "execute", MESSAGE)
    each = (_resident_kib() - before) / len(held)
    return Figure("component held", f"memory of each of {INSTANCES} instances", round(each, 1), "KiB", "lower")


def _started() -> Figure:
    data = bytes(wasmtime.wat2wasm(_large()))
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder), bytes(range(32)))
        cold = _took(lambda: cache.compiled(data))
        warm = statistics.median(_took(lambda: cache.compiled(data)) for _ in range(9))
    what = f"a start of {len(data) / 1e6:.1f} MB of component whose code was kept"
    started = Figure("component start", what, round(warm, 2), "ms", "lower")
    return started.beside("compiled anew", version("wasmtime"), round(cold, 1)).held_to(10, of="ratio")


def _large() -> str:
    """A component of many functions that differ."""
    body = "".join(
        f"(func (param i32) (result i32) (local i32) (local.set 1 (i32.const {n}))"
        + "".join(
            f"(local.set 1 (i32.xor (i32.mul (local.get 1) (i32.const {n * 31 + k * 7919 + 1000003})) "
            f"(i32.add (local.get 0) (i32.const {k * 65537 + n}))))"
            for k in range(40)
        )
        + "(local.get 1))"
        for n in range(FUNCTIONS)
    )
    return f"(component (core module $m {body}) (core instance (instantiate $m)))"


def _built() -> Iterator[Figure]:
    """Calls of what the templates give, which answers that it has no such operation."""
    with tempfile.TemporaryDirectory() as folder:
        for language in LANGUAGES:
            begun(Path(folder, language), language)
            build(Path(folder, language))
            yield from _calls(language, (Path(folder, language) / "component.wasm").read_bytes())


def _calls(language: str, data: bytes) -> Iterator[Figure]:
    component = compiled(data)
    program, linker = Program(component), Linker(engine())
    linker.add_wasip2()
    linker.define_unknown_imports_as_traps(component)
    context = exec_context(TenantContext(Scope("acme", "dev"), flow="desk", session="s-1"))
    arguments, values = (context, "nothing", "{}"), (_record(context), "nothing", "{}")
    at = component.get_export_index("invoke", component.get_export_index(NODE))
    assert at is not None

    def stock() -> tuple[Store, Func]:
        store = Store(engine())
        store.set_wasi(WasiConfig())
        store.set_epoch_deadline(10_000_000)
        function = linker.instantiate(store, component).get_func(store, at)
        assert function is not None
        return store, function

    def ours_fresh() -> None:
        instance = program.instance(LIMITS)
        instance.call(NODE, "invoke", *arguments)
        instance.close()

    def stock_fresh() -> None:
        store, function = stock()
        function(store, *values)
        store.close()

    instance, (store, function) = program.instance(LIMITS), stock()

    def stock_warm() -> None:
        function(store, *values)

    fresh = _in_turns(ours_fresh, stock_fresh, rounds=200)
    warm = _in_turns(lambda: instance.call(NODE, "invoke", *arguments), stock_warm, rounds=200)
    for how, (mine, theirs) in (("fresh", fresh), ("warm", warm)):
        named = Figure(
            f"component {language} {how}", f"a call of a component in {language}, {how}", mine, "µs", "lower"
        )
        yield named.beside("wasmtime-py, stock calls, no limits", version("wasmtime"), theirs)


def _opened() -> Figure:
    """A signed pack of fifty files, read from its bytes until it is known whose it is."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "desk")
        (source / "assets").mkdir(parents=True)
        (source / "pack.yaml").write_text("pack_id: shop.desk\nversion: 1.0.0\npublisher: Acme\n")
        for number in range(49):
            (source / "assets" / f"page-{number}.txt").write_text(f"Page {number}.\n" * 500)
        made = build_pack(read_folder(source)).data
        data = signed_pack("desk.gtpack", made, new_key(), datetime.now(UTC), subject="Acme")

    def opening() -> None:
        archive = opened("desk.gtpack", data)
        proven(archive, read_manifest(archive))

    took = statistics.median(_took(opening) for _ in range(50))
    return Figure(
        "pack opened", f"a pack of 50 files ({len(data) / 1e6:.1f} MB), opened and verified", took, "ms", "lower"
    )


def _record(values: Mapping[str, Any] = MESSAGE) -> Record:
    made = Record()
    for name, value in values.items():
        setattr(made, name, _record(value) if isinstance(value, dict) else value)
    return made


def _in_turns(one: Callable[[], Any], other: Callable[[], Any], *, rounds: int = ROUNDS) -> tuple[float, float]:
    """Medians in microseconds, of calls made in turns."""
    first: list[float] = []
    second: list[float] = []
    for _ in range(rounds):
        first.append(_took(one))
        second.append(_took(other))
    return round(statistics.median(first) * 1_000, 1), round(statistics.median(second) * 1_000, 1)


def _took(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1_000


def _resident_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
