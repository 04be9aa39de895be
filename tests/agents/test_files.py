from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from lichen.agents.agent import Agent
from lichen.agents.files import CODE, FILE_BYTES_MAX, LimitsTable, load_agent
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.toolset import Toolset
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits
from tests.agents.shop import SHOP_TOML, shop_planner
from tests.agents.tools import fake

LOOKUP, REFUND, OTHER = fake("orders.lookup"), fake("payments.refund"), fake("payments.pay")
TOOLS = [LOOKUP, REFUND, OTHER]
LLM = 'name = "shop.support"\n[llm]\nmodel = "echo:"\ninstructions = "Be brief."\n'


def written(tmp_path: Path, text: str, name: str = "support.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def refusal(path: Path) -> Invalid:
    with pytest.raises(Invalid) as caught:
        load_agent(path, TOOLS)
    return caught.value


@pytest.mark.req("LIC-23.1")
def test_a_file_is_the_agent_written_in_python(tmp_path: Path) -> None:
    agent = load_agent(written(tmp_path, SHOP_TOML), TOOLS)
    python = Agent(
        "shop.support",
        planner=shop_planner(),
        tools=[LOOKUP, REFUND],
        limits=Limits(calls=8, time_s=120),
        description="Answers questions about orders and refunds them.",
    )
    assert (agent.name, agent.description, agent.limits) == (python.name, python.description, python.limits)
    assert agent.planner == python.planner
    assert agent.digest == python.digest


@pytest.mark.req("LIC-23.1")
def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    document = json.dumps(tomllib.loads(SHOP_TOML))
    as_json = load_agent(written(tmp_path, document, "support.json"), TOOLS)
    assert as_json.digest == load_agent(written(tmp_path, SHOP_TOML), TOOLS).digest


@pytest.mark.req("LIC-23.1")
async def test_a_file_may_ask_a_model_instead(tmp_path: Path) -> None:
    agent = load_agent(written(tmp_path, LLM))
    assert not agent.planner.pure
    assert agent.limits == Limits()
    assert not agent.tools


@pytest.mark.req("GOA-8.1")
def test_the_agent_of_a_file_sees_the_tools_it_lists_and_no_others(tmp_path: Path) -> None:
    agent = load_agent(written(tmp_path, SHOP_TOML), [Toolset("shop", TOOLS)])
    assert dict(agent.tools) == {"orders.lookup": LOOKUP, "payments.refund": REFUND}
    assert not load_agent(written(tmp_path, LLM), TOOLS).tools


@pytest.mark.req("LIC-23.2")
@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("[rules]", "[rule]", CODE, "#/rule"),
        ("[rules]\n", "[rules]\nfallbac = 1\n", "rule_invalid", "#/rules/fallbac"),
        ("calls = 8", "calls = 0", CODE, "#/limits"),
        ("calls = 8", 'calls = "8"', CODE, "#/limits/calls"),
        ("calls = 8", "calls = 8\nspeed = 1", CODE, "#/limits/speed"),
        ('name = "shop.support"', "", CODE, "#/name"),
        ('name = "shop.support"', 'name = "support"', "agent_invalid", "#"),
        ('"payments.refund"]', '"payments.refnd"]', "tool_unknown", "#/tools/1"),
        (', "payments.refund"]', "]", "rule_invalid", "#/rules/intents/1/calls/1/tool"),
        (r"'\b(\d{4,12})\b'", r"'\b(\d{4,12'", "rule_invalid", "#/rules/intents/0/slots/0/pattern"),
        ("[rules]", '[llm]\nmodel = "echo:"\n[rules]', CODE, "#"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_file_and_place(
    tmp_path: Path, old: str, new: str, code: str, place: str
) -> None:
    assert old in SHOP_TOML
    path = written(tmp_path, SHOP_TOML.replace(old, new, 1))
    error = refusal(path)
    assert (error.code, error.place) == (code, f"{path}{place}")


@pytest.mark.req("LIC-23.2")
def test_a_file_that_cannot_be_read_is_refused_with_line_and_column(tmp_path: Path) -> None:
    path = written(tmp_path, "name = 'shop.support'\n\n  x = = 1\n")
    assert (refusal(path).code, refusal(path).place) == (CODE, f"{path}:3:7")
    assert refusal(tmp_path / "no.toml").place == str(tmp_path / "no.toml")
    assert refusal(written(tmp_path, "{", "a.json")).place == str(tmp_path / "a.json")
    assert "not TOML" in str(refusal(written(tmp_path, "name = 'a'\nname = 'b'")))
    assert "larger" in str(refusal(written(tmp_path, "#" * (FILE_BYTES_MAX + 1))))
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    assert refusal(tmp_path / "bad.toml").code == CODE


@pytest.mark.parametrize(
    ("model", "code", "place"),
    [
        ("openai:gpt-5", "model_unknown", "#/llm"),
        ("gpt", "model_unknown", "#/llm"),
        ("recorded:no", "cassette_invalid", ""),
    ],
)
def test_a_model_that_is_not_here_is_named_with_the_file(tmp_path: Path, model: str, code: str, place: str) -> None:
    error = refusal(written(tmp_path, LLM.replace("echo:", model)))
    assert error.code == code
    assert place in str(error.place)
    assert "support.toml" in str(error.place)


def test_the_limits_of_a_file_are_the_limits_of_a_run() -> None:
    assert LimitsTable.__struct_fields__ == Limits.__struct_fields__
    assert LimitsTable().limits() == Limits()


@pytest.mark.req("GOA-65.11")
def test_a_file_may_name_several_models(tmp_path: Path) -> None:
    file = tmp_path / "support.toml"
    file.write_text('name = "shop.support"\n[llm]\nmodel = ["echo:", "echo:second"]\n')
    planner = load_agent(file).planner
    assert isinstance(planner, LLMPlanner)
    assert planner.models == ("echo:", "echo:")
