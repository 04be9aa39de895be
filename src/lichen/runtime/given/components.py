"""The compiled code of components, in the data directory: where it lies, and the key that says that it is ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lichen.log.disk.files import write_once

if TYPE_CHECKING:
    from lichen.tools.wasm.loading import Compile
    from lichen.tools.wasm.running.cache import Cache

COMPILED: Final = "components"  # in the data directory
KEY: Final = "components.key"  # in the directory of the keys
KEY_BYTES: Final = 32


def component_key(home: Path, random: Callable[[int], bytes]) -> bytes:
    """The key, made by whoever needs it first; empty where it cannot be kept."""
    keys = home / "keys"
    with suppress(OSError):
        write_once(keys / KEY, random(KEY_BYTES), mark=random(8).hex())
    return found_key(home)


def found_key(home: Path) -> bytes:
    """The key, empty where there is none yet."""
    try:
        kept = (home / "keys" / KEY).read_bytes()
    except OSError:
        return b""
    return kept if len(kept) == KEY_BYTES else b""


def compiling(home: Path) -> Compile:
    """What compiles components: once, where this data directory has a key. Raises NotFound (`extra_missing`)."""
    from lichen.tools.wasm.loading import compiler  # for projects with components only

    compile_now, cache = compiler(), _cache(home)
    return compile_now if cache is None else cache.compiled


def awaiting(home: Path) -> Callable[[bytes], bool]:
    """What says of a component that its code is not there yet, so that a start had better not wait for it."""
    cache = _cache(home)
    return lambda data: cache is None or not cache.has(data)


def _cache(home: Path) -> Cache | None:
    from lichen.tools.wasm.loading import compiler  # says what to install where that is missing

    compiler()
    from lichen.tools.wasm.running.cache import Cache

    key = found_key(home)
    return Cache(home / COMPILED, key) if key else None
