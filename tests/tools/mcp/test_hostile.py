"""Servers that mean harm, without the help of an SDK: what each gets is at most its own call."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from lichen.core.remote.server import Server
from lichen.core.words.errors import Invalid, LichenError, Unavailable
from lichen.tools.mcp.failures import ServerGone
from tests.tools.mcp.test_connection import called, connected

HOSTILE = Path(__file__).with_name("hostile.py")


def hostile(how: str, *rest: str) -> Server:
    return Server("strange", command=(sys.executable, str(HOSTILE), how, *rest))


@pytest.mark.req("GOA-72.20")
@pytest.mark.parametrize("how", ["endless", "circle", "thousands"])
async def test_a_list_without_an_end_is_read_no_further_than_one_that_has_one(how: str) -> None:
    async with connected(hostile(how)) as connection:
        with pytest.raises(Invalid, match="listing_endless"):
            await connection.offered()


@pytest.mark.req("GOA-72.20")
async def test_of_tools_that_would_have_one_name_none_passes_for_the_other() -> None:
    async with connected(hostile("twins")) as connection:
        offered = await connection.offered()
    assert sorted(offered.tools) == ["strange.other"]
    assert list(offered.left_out) == ["strange.read_it"]


@pytest.mark.req("GOA-72.20")
async def test_a_name_is_none_that_could_be_taken_for_another_or_leads_elsewhere() -> None:
    async with connected(hostile("names")) as connection:
        offered = await connection.offered()
    assert "strange.other" in offered.tools
    for name in offered.tools:
        assert name.isascii()
        assert name.startswith("strange.")
        assert len(name) <= 128
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.")


@pytest.mark.req("GOA-72.20")
async def test_a_schema_that_is_deep_endless_large_or_somewhere_else_is_left_out_with_its_reason() -> None:
    async with connected(hostile("schemas")) as connection:
        async with asyncio.timeout(30):
            offered = await connection.offered()
    assert {"deep", "circle", "elsewhere", "file", "bomb", "large"} <= set(offered.left_out)
    assert "strange.other" in offered.tools
    assert all(offered.left_out.values())


@pytest.mark.req("GOA-72.20")
async def test_a_list_that_is_none_is_refused_with_the_place_where_it_is_not() -> None:
    async with connected(hostile("no schema")) as connection:
        with pytest.raises(Invalid, match="listing_invalid") as refused:
            await connection.offered()
    assert refused.value.place == "strange: /tools/0/inputSchema"


@pytest.mark.req("GOA-72.20")
async def test_a_list_that_nothing_can_read_costs_the_time_in_which_a_server_has_to_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lichen.tools.mcp.connection.OPEN_S", 5.0)
    async with connected(hostile("abyss")) as connection:
        with pytest.raises(Unavailable, match="server_unreachable"):
            await connection.offered()


@pytest.mark.req("GOA-72.20")
async def test_an_answer_that_never_ends_costs_its_call_and_the_next_one_reaches_the_server_anew(
    tmp_path: Path,
) -> None:
    async with connected(hostile("drips", str(tmp_path / "been"))) as connection:
        with pytest.raises((TimeoutError, LichenError, ServerGone)):
            async with asyncio.timeout(30):
                await called(connection, "other", timeout_s=1.0)
        async with asyncio.timeout(30):
            produced = await called(connection, "other")
    assert msgspec.json.decode(produced.result) == {"text": "done"}


@pytest.mark.req("GOA-72.20")
async def test_an_answer_to_something_that_was_not_asked_is_taken_for_no_answer() -> None:
    async with connected(hostile("wrong ids")) as connection:
        with pytest.raises((TimeoutError, LichenError, ServerGone)):
            async with asyncio.timeout(30):
                await called(connection, "other", timeout_s=1.0)


@pytest.mark.req("GOA-72.20")
async def test_forty_thousand_notifications_before_an_answer_do_not_keep_it_away() -> None:
    async with connected(hostile("floods")) as connection:
        async with asyncio.timeout(60):
            produced = await called(connection, "other", timeout_s=50.0)
    assert msgspec.json.decode(produced.result) == {"text": "done"}


@pytest.mark.req("GOA-72.21")
async def test_a_server_that_nobody_gave_a_model_gets_none_of_ours() -> None:
    async with connected(hostile("samples")) as connection:
        produced = await called(connection, "other")
    (answer,) = msgspec.json.decode(msgspec.json.decode(produced.result)["text"])
    assert answer["id"] == "s0"
    assert "error" in answer
    assert "result" not in answer


@pytest.mark.req("GOA-72.20")
async def test_a_server_that_speaks_another_protocol_is_not_spoken_to() -> None:
    async with connected(hostile("version")) as connection:
        with pytest.raises(Unavailable, match="server_unreachable"):
            await connection.offered()
