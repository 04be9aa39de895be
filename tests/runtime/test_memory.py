"""What the process still knows of somebody after their erasure."""

from __future__ import annotations

import gc
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import msgspec
import pytest

from lichen.core.words.scope import Customer
from lichen.runtime import Runtime
from tests.runtime.world import OPS, SCOPE, runtime_in

MARK = "purple-elephant"
ANN = Customer("ann")


def places_of(mark: str, *roots: object) -> list[str]:
    """The kinds of the objects that hold a text with the mark, as far as one comes from the roots."""
    found, seen, left = list[str](), set[int](), list[tuple[str, Any]]([("", root) for root in roots])
    while left:
        holder, each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, (str, bytes, bytearray)):
            if mark in (each if isinstance(each, str) else each.decode("latin-1")):
                found.append(holder)
            continue
        kind = f"{holder}/{type(each).__name__}"[-120:]
        left += [(kind, one) for one in _held_by(each) if not isinstance(one, (type, ModuleType, FrameType))]
    return found


def _held_by(each: Any) -> list[Any]:
    """What an object holds; of a function what it closes over, and not its module."""
    if isinstance(each, FunctionType):
        return [each.__closure__, each.__defaults__, each.__kwdefaults__]
    fields = [getattr(each, field) for field in each.__struct_fields__] if isinstance(each, msgspec.Struct) else []
    return [*fields, *gc.get_referents(each)]


async def talk(runtime: Runtime) -> None:
    session = await runtime.sessions.open(SCOPE, ANN, key="one")
    for _ in range(3):
        await (await session.say(f"I have a {MARK}")).result()
    await runtime.idle()


@pytest.mark.req("LIC-25.32")
async def test_after_an_erasure_the_runtime_holds_no_word_of_it_in_memory(tmp_path: Path) -> None:
    async with runtime_in(tmp_path) as runtime:
        await talk(runtime)
        held = (runtime.engine, runtime.volume, runtime.gate)
        assert places_of(MARK, *held), "the search would find it"
        await runtime.people.erase(SCOPE, ANN, OPS)
        await runtime.idle()
        assert places_of(MARK, *held) == []
