"""An agent as a tool: a contract only."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from lichen.core.ports.call import Arguments, CannotTell, InvalidArguments, Tool
from lichen.core.words.errors import Invalid, LichenError
from lichen.tools import agent_tool
from tests.tools.samples import call_meta


class Question(BaseModel):
    text: str
    depth: int = 1


ask: Tool = agent_tool("research.reader", input_type=Question, description="Reads for you.", name="research.ask")


def test_the_contract_names_the_agent_whose_run_performs_it() -> None:
    spec = ask.spec
    assert (spec.name, spec.effects, spec.agent) == ("research.ask", "child", "research.reader")
    assert spec.output_schema == {"type": "string"}
    assert spec.digest


def test_its_input_is_decoded_as_any_tools() -> None:
    assert ask.decode(b'{"text":"why"}').data == b'{"depth":1,"text":"why"}'
    with pytest.raises(InvalidArguments):
        ask.decode(b'{"text":"why","deep":1}')


def test_without_an_input_type_it_takes_a_message() -> None:
    plain = agent_tool("research.reader", description="Reads.")
    assert plain.spec.name == "research.reader"
    assert plain.decode(b'{"message":"why"}').data == b'{"message":"why"}'
    with pytest.raises(InvalidArguments):
        plain.decode(b'{"message":""}')


async def test_it_executes_nothing_itself() -> None:
    with pytest.raises(LichenError) as caught:
        await ask.execute(Arguments(b'{"text":"why"}'), call_meta())
    assert caught.value.code == "child_run_expected"
    assert await ask.facts(Arguments(b"{}"), call_meta()) == b"{}"
    assert await ask.probe(Arguments(b"{}"), call_meta()) == CannotTell()


@pytest.mark.parametrize(("agent", "input_type"), [("lichen.reader", Question), ("Reader", Question), ("a.b", str)])
def test_a_name_or_input_that_makes_no_tool_is_refused(agent: str, input_type: type) -> None:
    with pytest.raises(Invalid) as caught:
        agent_tool(agent, description="", input_type=input_type)
    assert caught.value.code == "tool_invalid"
