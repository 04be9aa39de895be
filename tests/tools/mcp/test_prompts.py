"""Prompts of a server: got where the project lets them be, as a stranger's words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import InvalidArguments, NotDone, Produced
from lichen.core.remote.server import PromptRules
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.offered.prompts import is_allowed, prompt_tools
from lichen.tools.mcp.results import Malformed
from tests.tools.mcp.test_connection import connected, meta, strange

RULES = PromptRules(allow_names=("*digest", "shelf", "endless", "nowhere"), deny_names=("SECRET*",))


async def made(connection: Connection, verb: str, **arguments: Any) -> Produced:
    tool = prompt_tools(connection.server, connection)[f"prompts.{verb}"]
    return await tool.execute(tool.decode(msgspec.json.encode(arguments)), meta())


@pytest.mark.req("GOA-72.25")
async def test_of_prompts_those_that_are_allowed_are_listed_and_got_and_no_other() -> None:
    async with connected(strange(prompts=RULES)) as connection:
        listed = msgspec.json.decode((await made(connection, "list")).result)["prompts"]
        assert [each["name"] for each in listed] == ["digest", "shelf", "endless"]
        assert listed[0]["arguments"] == [{"name": "text", "required": True}, {"name": "tone", "required": False}]
        got = await made(connection, "get", name="digest", arguments={"text": "Dune"})
        assert msgspec.json.decode(got.result) == {
            "messages": [{"role": "user", "text": "Sum up in a plain tone: Dune"}]
        }
        for denied in ("secret_digest", "Digest", "other", "x" * 200):
            with pytest.raises(NotDone) as refused:
                await made(connection, "get", name=denied)
            assert refused.value.code == "prompt_denied"
        assert {tool.spec.origin for tool in prompt_tools(connection.server, connection).values()} == {"third_party"}


@pytest.mark.req("GOA-72.25")
async def test_without_an_entry_that_allows_there_is_no_tool_to_get_prompts_with() -> None:
    for rules in (PromptRules(), PromptRules(deny_names=("y",))):
        async with connected(strange(prompts=rules)) as connection:
            assert prompt_tools(connection.server, connection) == {}
    assert not is_allowed(PromptRules(allow_names=("*",)), "x" * 201)


@pytest.mark.req("GOA-72.25")
async def test_what_is_no_text_goes_to_people_and_what_is_too_large_to_nobody() -> None:
    async with connected(strange(prompts=RULES)) as connection:
        got = await made(connection, "get", name="shelf")
        asked, shown = msgspec.json.decode(got.result)["messages"]
        assert (asked["text"], shown["role"], "AAAA" in shown["text"]) == ("What is on the shelf?", "assistant", False)
        assert b"AAAA" in got.artifacts
        with pytest.raises(Malformed):
            await made(connection, "get", name="endless")


@pytest.mark.req("GOA-72.25")
async def test_a_prompt_that_is_none_or_lacks_an_argument_is_told_to_the_planner() -> None:
    async with connected(strange(prompts=RULES)) as connection:
        for name in ("nowhere", "digest"):
            with pytest.raises(NotDone) as refused:
                await made(connection, "get", name=name)
            assert refused.value.code in ("invalid_call", "server_error")
        for wrong in ({}, {"name": "digest", "arguments": {"text": 1}}, {"name": "digest", "more": 1}):
            with pytest.raises(InvalidArguments):
                await made(connection, "get", **wrong)
