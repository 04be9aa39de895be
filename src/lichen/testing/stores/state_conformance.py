"""What every store of state must do, whatever keeps it. A store's test subclasses it and opens one."""

# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from lichen.core.state.port import VALUE_BYTES_MAX, Change, StateKey, States, fqn
from lichen.core.words.errors import Conflict, Denied, Invalid
from lichen.core.words.scope import Scope

ACME, ACME_PROD, GLOBEX = Scope("acme", "dev"), Scope("acme", "prod"), Scope("globex", "dev")
SALES = Scope("acme", "dev", "sales")


class Opened(NamedTuple):
    """A store, and what lets so many seconds pass for the values in it."""

    states: States
    passes: Callable[[float], Awaitable[None]]


def key(name: str = "cart", *, scope: Scope = ACME, prefix: str = "flow.shop", user: str = "") -> StateKey:
    """A key of a scope."""
    return StateKey(scope, prefix, name, user)


class StateConformance:
    """`open(folder)` gives a store over an empty folder."""

    def open(self, folder: Path) -> AbstractAsyncContextManager[Opened]:
        """A store, and how its time passes."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def opened(self, tmp_path: Path) -> AsyncGenerator[Opened]:
        async with self.open(tmp_path) as opened:
            yield opened

    @pytest.mark.req("GRE-69.3")
    async def test_what_was_set_is_there_as_it_is_until_it_is_deleted(self, opened: Opened) -> None:
        states = opened.states
        assert await states.get(ACME, key()) is None
        value: dict[str, Any] = {"list": [], "object": {}, "text": "ä", "many": 2**53 + 1, "none": None, "part": 0.1}
        await states.set(ACME, key(), value)
        found = await states.get(ACME, key())
        assert found is not None
        assert found.value == value
        await states.delete(ACME, key())
        await states.delete(ACME, key())
        assert await states.get(ACME, key()) is None
        await states.set(ACME, key(), None)
        again = await states.get(ACME, key())
        assert again is not None
        assert again.value is None

    @pytest.mark.req("GRE-69.3")
    async def test_a_part_is_changed_at_a_pointer_and_the_rest_stays(self, opened: Opened) -> None:
        states = opened.states
        for pointer, value in (("/name/first", "A"), ("/list", [1, 2]), ("/list/1", 9), ("/a~0~1b", 1)):
            await states.set(ACME, key(), value, Change(pointer))
        found = await states.get(ACME, key())
        assert found is not None
        assert found.value == {"name": {"first": "A"}, "list": [1, 9], "a~/b": 1}
        for wrong in ("name", "/name/first/x", "/list/7"):
            with pytest.raises(Invalid) as caught:
                await states.set(ACME, key(), 1, Change(wrong))
            assert caught.value.code == "state_pointer"
        assert await states.get(ACME, key()) == found

    @pytest.mark.req("GRE-69.4")
    async def test_a_time_to_live_is_kept_set_anew_and_taken_away(self, opened: Opened) -> None:
        states, passes = opened
        await states.set(ACME, key("kept"), 1, Change(ttl_s=60))
        await states.set(ACME, key("anew"), 1, Change(ttl_s=60))
        await states.set(ACME, key("taken"), 1, Change(ttl_s=60))
        await states.set(ACME, key("never"), 1)
        await passes(40)
        await states.set(ACME, key("kept"), 2)
        await states.set(ACME, key("anew"), 2, Change(ttl_s=60))
        await states.set(ACME, key("taken"), 2, Change(ttl_s=0))
        await passes(30)
        assert [await values(states, name) for name in ("kept", "anew", "taken", "never")] == [None, 2, 2, 1]
        await passes(31)
        assert [await values(states, name) for name in ("kept", "anew", "taken", "never")] == [None, None, 2, 1]

    @pytest.mark.req("GRE-69.4")
    async def test_what_is_set_after_the_end_of_a_value_is_a_new_one(self, opened: Opened) -> None:
        states, passes = opened
        await states.set(ACME, key(), {"a": 1}, Change(ttl_s=60))
        await passes(61)
        await states.set(ACME, key(), 2, Change("/b", expected=""))
        await passes(3600)
        assert await values(states, "cart") == {"b": 2}

    @pytest.mark.req("GRE-69.4")
    @pytest.mark.parametrize("ttl_s", [-1, 10**10])
    async def test_a_time_that_is_none_is_refused(self, opened: Opened, ttl_s: int) -> None:
        with pytest.raises(Invalid) as caught:
            await opened.states.set(ACME, key(), 1, Change(ttl_s=ttl_s))
        assert caught.value.code == "state_ttl"

    @pytest.mark.req("GRE-69.5")
    async def test_a_value_is_set_only_if_it_is_the_one_that_was_read(self, opened: Opened) -> None:
        states = opened.states
        await states.set(ACME, key(), 1, Change(expected=""))
        with pytest.raises(Conflict) as caught:
            await states.set(ACME, key(), 2, Change(expected=""))
        assert caught.value.code == "state_changed"
        read = await states.get(ACME, key())
        assert read is not None
        await states.set(ACME, key(), 2, Change(expected=read.version))
        for work in (
            states.set(ACME, key(), 3, Change(expected=read.version)),
            states.delete(ACME, key(), Change(expected=read.version)),
        ):
            with pytest.raises(Conflict):
                await work
        back = await states.get(ACME, key())
        assert back is not None
        await states.set(ACME, key(), 1)  # the value that was read first, and yet another version
        with pytest.raises(Conflict):
            await states.delete(ACME, key(), Change(expected=read.version))
        assert await values(states, "cart") == 1

    @pytest.mark.req("GRE-69.5")
    async def test_of_many_who_set_at_once_one_wins_and_of_many_parts_none_is_lost(self, opened: Opened) -> None:
        states = opened.states
        await states.set(ACME, key(), 0)
        read = await states.get(ACME, key())
        assert read is not None
        tried = [states.set(ACME, key(), n, Change(expected=read.version)) for n in range(1, 9)]
        ended = await asyncio.gather(*tried, return_exceptions=True)
        assert [type(each) for each in ended].count(Conflict) == 7
        await asyncio.gather(*(states.set(ACME, key("parts"), n, Change(f"/k{n}")) for n in range(20)))
        assert await values(states, "parts") == {f"k{n}": n for n in range(20)}

    @pytest.mark.req("GRE-69.5")
    async def test_what_was_done_once_is_not_done_again(self, opened: Opened) -> None:
        states = opened.states
        once = Change("/a", once="run-1/c1")
        await states.set(ACME, key(), 1, once)
        await states.set(ACME, key(), {"a": 2, "b": 2})
        await states.set(ACME, key(), 1, once)
        assert await values(states, "cart") == {"a": 2, "b": 2}
        gone = Change(once="run-1/c2")
        await states.delete(ACME, key(), gone)
        await states.set(ACME, key(), 3)
        await states.delete(ACME, key(), gone)
        assert await values(states, "cart") == 3

    @pytest.mark.req("GRE-69.6")
    async def test_every_key_of_a_group_that_begins_so_is_deleted_and_no_other(self, opened: Opened) -> None:
        states = opened.states
        gone = [key("cart/1"), key("cart/2"), key("cart/*")]
        stay = [
            key("car"), key("cards"), key("cart"), key("cart/1", prefix="flow.shop2"), key("cart/1", user="customer_1"),
            key("cart/1", scope=ACME_PROD), key("cart/1", scope=GLOBEX), key("cart/1", scope=SALES),
        ]  # fmt: skip
        for each in (*gone, *stay):
            await states.set(each.scope, each, each.key)
        assert sorted(await states.names(ACME, key("cart/"))) == ["cart/*", "cart/1", "cart/2"]
        assert await states.delete_prefix(ACME, key("cart/")) == 3
        assert await states.names(ACME, key("cart/")) == ()
        assert await states.delete_prefix(ACME, key("cart/")) == 0
        assert [await states.get(each.scope, each) for each in gone] == [None] * 3
        assert None not in [await states.get(each.scope, each) for each in stay]
        assert await states.delete_prefix(ACME, key("ca*")) == 0  # a sign like any other
        assert await states.delete_prefix(ACME, key("")) == 3
        assert None not in [await states.get(each.scope, each) for each in stay[3:]]

    @pytest.mark.req("GRE-69.7")
    async def test_each_scope_group_and_person_has_values_of_its_own(self, opened: Opened) -> None:
        states = opened.states
        keys = [
            key(), key(scope=ACME_PROD), key(scope=GLOBEX), key(scope=SALES), key(prefix="flow.other"),
            key(user="customer_1"), key(user="customer_2"),
        ]  # fmt: skip
        for n, each in enumerate(keys):
            await states.set(each.scope, each, n)
        found = [await states.get(each.scope, each) for each in keys]
        assert [each.value for each in found if each is not None] == list(range(len(keys)))
        assert len({fqn(each) for each in keys}) == len(keys)

    @pytest.mark.req("GRE-69.7")
    @pytest.mark.parametrize("other", [GLOBEX, ACME_PROD, SALES])
    async def test_a_key_of_another_scope_is_refused(self, opened: Opened, other: Scope) -> None:
        states = opened.states
        await states.set(ACME, key(), 1)
        for work in (
            states.get(other, key()), states.set(other, key(), 2), states.delete(other, key()),
            states.delete_prefix(other, key("")), states.names(other, key("")),
        ):  # fmt: skip
            with pytest.raises(Denied) as caught:
                await work
            assert caught.value.code == "state_foreign"
        assert await values(states, "cart") == 1

    @pytest.mark.req("GRE-69.7")
    async def test_what_is_no_key_or_too_large_is_refused(self, opened: Opened) -> None:
        states = opened.states
        for wrong in (key(""), key("x" * 257), key("a\nb"), key(prefix="a:b"), key(prefix=""), key(user="a:b")):
            with pytest.raises(Invalid) as caught:
                await states.set(ACME, wrong, 1)
            assert caught.value.code == "state_key"
        with pytest.raises(Invalid) as caught:
            await states.set(ACME, key(), "x" * VALUE_BYTES_MAX)
        assert caught.value.code == "state_too_large"


async def values(states: States, name: str) -> Any:
    """The value under a key; None where there is none."""
    found = await states.get(ACME, key(name))
    return None if found is None else found.value
