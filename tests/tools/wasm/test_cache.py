"""Compiled code that is kept is loaded again only where it is ours to the last byte."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lichen.tools.wasm.running import cache as caching
from lichen.tools.wasm.running.cache import Cache
from lichen.tools.wasm.running.program import compiled
from tests.tools.wasm.guests import CLERK, HOSTILE, binary

KEY = bytes(range(32))


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What was compiled and not loaded."""
    done: list[str | None] = []

    def compiling(data: bytes, place: str | None = None) -> object:
        done.append(place)
        return compiled(data, place)

    monkeypatch.setattr(caching, "compiled", compiling)
    return done


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.req("GRE-48.1")
def test_a_second_start_loads_what_the_first_compiled(tmp_path: Path, compilations: list[str | None]) -> None:
    for place in ("first", "second"):
        Cache(tmp_path, KEY).compiled(binary(HOSTILE), place)
    assert compilations == ["first"]


@pytest.mark.req("GRE-48.2")
def test_a_flipped_byte_anywhere_is_compiled_anew_and_never_loaded(
    tmp_path: Path, compilations: list[str | None]
) -> None:
    Cache(tmp_path, KEY).compiled(binary(HOSTILE))
    whole = only(tmp_path).read_bytes()
    for at in (0, 31, 32, len(whole) // 2, len(whole) - 1):
        only(tmp_path).write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        Cache(tmp_path, KEY).compiled(binary(HOSTILE), str(at))
        assert compilations[-1] == str(at)
        assert Cache(tmp_path, KEY).find("sha256:other") is None
    only(tmp_path).write_bytes(whole[: len(whole) // 2])
    Cache(tmp_path, KEY).compiled(binary(HOSTILE), "torn")
    assert compilations[-1] == "torn"


@pytest.mark.req("GRE-48.2")
def test_what_another_made_or_is_of_another_component_is_never_loaded(
    tmp_path: Path, compilations: list[str | None]
) -> None:
    Cache(tmp_path, KEY).compiled(binary(HOSTILE), "ours")
    Cache(tmp_path, bytes(32)).compiled(binary(HOSTILE), "another key")
    ours = only(tmp_path).read_bytes()
    Cache(tmp_path, KEY).compiled(binary(CLERK), "another component")
    for path in tmp_path.iterdir():
        path.write_bytes(ours)
    Cache(tmp_path, bytes(32)).compiled(binary(CLERK), "in its place")
    assert compilations == ["ours", "another key", "another component", "in its place"]


@pytest.mark.req("GRE-48.3")
def test_code_of_another_version_of_the_engine_is_compiled_anew(tmp_path: Path, compilations: list[str | None]) -> None:
    Cache(tmp_path, KEY, build="wasmtime 49").compiled(binary(HOSTILE), "older")
    Cache(tmp_path, KEY).compiled(binary(HOSTILE), "now")
    assert compilations == ["older", "now"]


@pytest.mark.req("GRE-48.4")
def test_what_is_kept_is_bounded_and_what_is_used_stays(tmp_path: Path, compilations: list[str | None]) -> None:
    small = Cache(tmp_path, KEY, bytes_max=1)
    small.compiled(binary(HOSTILE))
    assert not list(tmp_path.iterdir())


@pytest.mark.req("GRE-48.5")
def test_those_who_keep_the_same_at_once_do_not_tear_it(tmp_path: Path, compilations: list[str | None]) -> None:
    code = compiled(binary(HOSTILE))
    caches = [Cache(tmp_path, KEY) for _ in range(4)]
    threads = [
        threading.Thread(target=each.keep, args=("sha256:x", code), kwargs={"replaces": True}) for each in caches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    only(tmp_path)
    assert Cache(tmp_path, KEY).find("sha256:x") is not None
