from __future__ import annotations

import inspect
import json
import re
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lichen.agents.agent import Agent
from lichen.agents.files import CODE, FILE_BYTES_MAX, LimitsTable, load_agent
from lichen.agents.llm.compress import Compress
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.prompts import Prompt
from lichen.agents.llm.reminders import Reminder
from lichen.agents.tables import AgentFile, ChildTable, LLMTable
from lichen.agents.toolset import Toolset, renamed
from lichen.agents.written import KINDS, read
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
        ("[rules]", "[rule]", CODE, "/rule"),
        ("[rules]\n", "[rules]\nfallbac = 1\n", "rule_invalid", "/rules/fallbac"),
        ("calls = 8", "calls = 0", CODE, "/limits"),
        ("calls = 8", 'calls = "8"', CODE, "/limits/calls"),
        ("calls = 8", "calls = 8\nspeed = 1", CODE, "/limits/speed"),
        ('name = "shop.support"', "", CODE, "/name"),
        ('name = "shop.support"', 'name = "support"', "agent_invalid", ""),
        ('"payments.refund"]', '"payments.refnd"]', "tool_unknown", "/tools/1"),
        (', "payments.refund"]', "]", "rule_invalid", "/rules/intents/1/calls/1/tool"),
        (r"'\b(\d{4,12})\b'", r"'\b(\d{4,12'", "rule_invalid", "/rules/intents/0/slots/0/pattern"),
        ("[rules]", '[llm]\nmodel = "echo:"\n[rules]', CODE, ""),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_file_and_place(
    tmp_path: Path, old: str, new: str, code: str, place: str
) -> None:
    assert old in SHOP_TOML
    path = written(tmp_path, SHOP_TOML.replace(old, new, 1))
    error = refusal(path)
    assert error.code == code
    assert re.fullmatch(rf"{re.escape(str(path))}(:\d+:\d+: {place})?", str(error.place)), error.place
    assert str(error.place).endswith(place)


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
        ("nobody:gpt-5", "model_unknown", ":2:1: /llm"),
        ("gpt", "model_unknown", ":2:1: /llm"),
        ("recorded:no", "cassette_invalid", ""),
    ],
)
def test_a_model_that_is_not_here_is_named_with_the_file(tmp_path: Path, model: str, code: str, place: str) -> None:
    error = refusal(written(tmp_path, LLM.replace("echo:", model)))
    assert error.code == code
    assert place in str(error.place)
    assert "support.toml" in str(error.place)


@pytest.mark.req("LIC-23.5")
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


# -- YAML --------------------------------------------------------------------------------------------------------

WHOLE_YAML = """
name: shop.support
description: Helps with orders.
tools:
  - orders.*
  - tool: payments.refund
    name: shop.refund
    description: Pays money back, after asking.
    confirm: Really?
    timeout_s: 5
    effects: once
    tags: [money]
children:
  - file: refunds.yaml
    tool: desk.refunds
    description: Knows the rules of refunds.
    message: "Look into this: {message}"
limits:
  calls: 8
  time_s: 60.5
llm:
  model: ['echo:', 'echo:']
  prompt: prompts/support@3.md
  max_tokens: 500
  history_turns: 3
  history_tokens: 4000
  keep: yes
  parallel_calls: false
  tool_choice: required
  answer_after: [orders.lookup]
  temperature: 0.5
  thinking: low
  answer_format: markdown
  reminders_at_once: 2
  reminders:
    - {id: cents, text: Amounts are in cents., tier: safety, max_per_run: 2}
"""
CHILD_YAML = "name: shop.refunds\nllm: {model: 'echo:', instructions: Be strict.}\n"
PROMPT = "You help the customers of {tenant}."


def project(tmp_path: Path, text: str = WHOLE_YAML.replace("keep: yes", "keep: true")) -> Path:
    (tmp_path / "prompts").mkdir(exist_ok=True)
    (tmp_path / "prompts" / "support@3.md").write_text(PROMPT)
    written(tmp_path, CHILD_YAML, "refunds.yaml")
    return written(tmp_path, text, "support.yaml")


@pytest.mark.req("LIC-23.5")
def test_a_yaml_file_is_the_whole_agent_written_in_python(tmp_path: Path) -> None:
    agent = load_agent(project(tmp_path), TOOLS)
    refunds = Agent("shop.refunds", planner=LLMPlanner("echo:", instructions="Be strict."))
    tools = Toolset("t", [LOOKUP, REFUND]).only("lookup", "refund")
    refund = renamed(tools["refund"], "shop.refund")
    strict = Toolset("t", [refund]).overlaid(
        "refund",
        description="Pays money back, after asking.",
        confirm="Really?",
        timeout_s=5,
        effects="once",
        tags=("money",),
    )
    python = Agent(
        "shop.support",
        planner=LLMPlanner(
            ["echo:", "echo:"],
            instructions=Prompt(PROMPT, name="support", version="3"),
            max_tokens=500,
            history_turns=3,
            history_tokens=4000,
            keep=True,
            parallel_calls=False,
            tool_choice="required",
            answer_after=["orders.lookup"],
            temperature=0.5,
            thinking="low",
            answer_format="markdown",
            reminders_at_once=2,
            reminders=[Reminder("cents", "Amounts are in cents.", tier="safety", max_per_run=2)],
        ),
        tools=[
            LOOKUP,
            *strict,
            refunds.as_tool(
                description="Knows the rules of refunds.", template="Look into this: {message}", name="desk.refunds"
            ),
        ],
        limits=Limits(calls=8, time_s=60.5),
        description="Helps with orders.",
    )
    assert list(agent.tools) == ["orders.lookup", "shop.refund", "desk.refunds"]
    assert agent.digest == python.digest
    assert (agent.limits, agent.description) == (python.limits, python.description)
    assert [child.name for child in agent.children] == ["shop.refunds"]


@pytest.mark.req("LIC-23.5")
def test_every_option_that_an_agent_and_its_model_have_in_python_is_one_in_a_file() -> None:
    of_planner = set(inspect.signature(LLMPlanner.__init__).parameters) - {"self"}
    assert set(LLMTable.__struct_fields__) == of_planner | {"prompt", "model_from"}
    of_agent = set(inspect.signature(Agent.__init__).parameters) - {"self", "planner"}
    assert set(AgentFile.__struct_fields__) == of_agent | {"rules", "llm", "pattern", "children", "mcp"}
    of_child = set(inspect.signature(Agent.as_tool).parameters) - {"self", "input", "build"}  # what is code stays code
    named = {"tool": "name", "message": "template"}
    said = {named.get(field, field) for field in ChildTable.__struct_fields__}
    assert said == of_child | {"file", "passes"}


@pytest.mark.req("GOA-13.1")
def test_a_file_words_what_a_child_is_asked_by_a_prompt_a_template_or_a_text(tmp_path: Path) -> None:
    (tmp_path / "leaf.yaml").write_text("name: shop.leaf\nllm: {model: 'echo:'}\n")
    (tmp_path / "ask.md").write_text("You work for {tenant}.\n")
    digests = list[str]()
    for worded in ("", "text: Look.", "message: 'See {message}'", "message: x\n  prompt: ask.md"):
        file = tmp_path / "top.yaml"
        file.write_text(f"name: shop.top\nllm: {{model: 'echo:'}}\nchildren:\n- file: leaf.yaml\n  {worded}\n")
        digests.append(load_agent(file).digest)
    assert len(set(digests)) == 4
    (tmp_path / "ask.md").write_text("You work for {nobody}.\n")
    with pytest.raises(Invalid, match="nobody"):
        load_agent(file)


@pytest.mark.req("LIC-23.5")
def test_a_file_may_say_what_answers_have_to_be_and_how_a_conversation_is_summed_up(tmp_path: Path) -> None:
    path = tmp_path / "support.toml"
    path.write_text(
        """name = "shop.support"
[llm]
model = "echo:"
[llm.compress]
model = "echo:"
after_turns = 9
[answers]
type = "object"
required = ["amount"]
[answers.properties.amount]
type = "integer"
"""
    )
    schema = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer"}}}
    planner = LLMPlanner("echo:", compress=Compress("echo:", after_turns=9))
    made = load_agent(path)
    assert made.digest == Agent("shop.support", planner=planner, answers=schema).digest
    assert made.answers is not None
    path.write_text(path.read_text().replace("after_turns = 9", "keep_turns = 2"))
    with pytest.raises(Invalid) as caught:
        load_agent(path)
    assert caught.value.code == "planner_invalid"


@pytest.mark.req("LIC-23.5")
@settings(max_examples=40)
@given(
    turns=st.integers(0, 9),
    tokens=st.none() | st.integers(1, 10**6),
    words=st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable() and text.strip()),
    temperature=st.none() | st.floats(0, 2).map(lambda value: round(value, 3)),
    calls=st.integers(1, 99),
    kind=st.sampled_from([".toml", ".json", ".yaml"]),
)
def test_whatever_a_file_says_is_the_agent_that_python_makes_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    turns: int,
    tokens: int | None,
    words: str,
    temperature: float | None,
    calls: int,
    kind: str,
) -> None:
    llm: dict[str, object] = {"model": "echo:", "instructions": words, "history_turns": turns}
    llm |= {"history_tokens": tokens} if tokens is not None else {}
    llm |= {"temperature": temperature} if temperature is not None else {}
    document = {"name": "shop.support", "limits": {"calls": calls}, "llm": llm}
    texts = {
        ".json": json.dumps(document),
        ".yaml": json.dumps(document, ensure_ascii=False),  # YAML holds all of JSON
        ".toml": f'name = "shop.support"\nlimits = {{ calls = {calls} }}\n[llm]\n'
        + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in llm.items()),
    }
    folder = tmp_path_factory.mktemp("file")
    made = load_agent(written(folder, texts[kind], f"support{kind}"))
    planner = LLMPlanner(
        "echo:", instructions=words, history_turns=turns, history_tokens=tokens, temperature=temperature
    )
    assert made.digest == Agent("shop.support", planner=planner, limits=Limits(calls=calls)).digest


@pytest.mark.req("LIC-23.6")
@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("max_tokens: 500", "max_tokens: many", CODE, ":23:3: /llm/max_tokens"),
        ("max_tokens: 500", "max_tokns: 500", CODE, ":23:3: /llm/max_tokns"),
        ("timeout_s: 5", "timeout_s: 90", "tool_invalid", ":5:5: /tools/1"),
        ("tool: payments.refund", "tool: payments.refnd", "tool_unknown", ":5:5: /tools/1"),
        ("- orders.*", "- order.*", "tool_unknown", ":4:5: /tools/0"),
        ("support@3.md", "other.md", "prompt_invalid", ":22:3: /llm/prompt"),
        ('message: "Look into this: {message}"', "message: '{order}'", "tool_invalid", ":13:5: /children/0"),
        ("  calls: 8", "  calls: 8\n  calls: 9", CODE, ":19:3"),
        ("calls: 8", "calls: &a 8\n  fan_out: *a", CODE, ":19:12"),
        ("calls: 8", "calls: !x 8", CODE, ":18:10"),
        ("calls: 8", "calls: [", CODE, ":20:4"),
        ("limits:", "---\nlimits:", CODE, ":17:1"),
        ("file: refunds.yaml", "file: support.yaml", CODE, ":13:5: /children/0/file"),
        ("file: refunds.yaml", "file: gone.yaml", CODE, "/children/0"),
        ("tier: safety", "tier: safe", CODE, ":35:48: /llm/reminders/0/tier"),
    ],
)
def test_a_mistake_in_yaml_is_placed_by_line_and_column(
    tmp_path: Path, old: str, new: str, code: str, place: str
) -> None:
    text = WHOLE_YAML.replace("keep: yes", "keep: true").lstrip("\n")
    assert old in text
    error = refusal(project(tmp_path, text.replace(old, new, 1)))
    assert error.code == code
    assert str(error.place).endswith(place), error.place


@pytest.mark.req("LIC-23.6")
def test_a_mistake_in_a_child_is_placed_in_the_childs_file(tmp_path: Path) -> None:
    path = project(tmp_path)
    written(tmp_path, CHILD_YAML.replace("model:", "modl:"), "refunds.yaml")
    assert refusal(path).place == f"{tmp_path}/refunds.yaml:2:7: /llm/modl"


@pytest.mark.req("LIC-23.6")
def test_mistakes_in_toml_and_json_are_placed_by_line_and_column(tmp_path: Path) -> None:
    assert (
        refusal(written(tmp_path, LLM + "max_tokens = 'x'\n")).place == f"{tmp_path}/support.toml:5:1: /llm/max_tokens"
    )
    text = '{"name": "shop.support",\n "llm": {"model": "echo:", "max_tokens": "x"}}'
    column = text.splitlines()[1].index('"max_tokens"') + 1
    assert refusal(written(tmp_path, text, "a.json")).place == f"{tmp_path}/a.json:2:{column}: /llm/max_tokens"


@pytest.mark.req("LIC-23.7")
def test_an_agent_knows_all_the_files_it_is_made_of_and_is_made_again_of_them(tmp_path: Path) -> None:
    agent = load_agent(project(tmp_path), TOOLS)
    assert agent.source is not None
    assert {Path(path).name for path in agent.source.files} == {"support.yaml", "refunds.yaml", "support@3.md"}
    for name in ("support.yaml", "refunds.yaml", "prompts/support@3.md"):
        (tmp_path / name).unlink()
    assert agent.source.again(agent.source.files, ()).digest == agent.digest
    changed = {
        path: data.replace(b"Be strict.", b"Be kind.") if path.endswith("refunds.yaml") else data
        for path, data in agent.source.files.items()
    }
    assert agent.source.again(changed, ()).children[0].digest != agent.children[0].digest


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_stands_in_a_file_it_is_read_or_refused(data: bytes) -> None:
    for suffix in KINDS:
        with suppress(Invalid):
            read(Path(f"x{suffix}"), data)


ANSWERS = 'answers = { type = "object", properties = { amount = { type = "integer" } }, required = ["amount"] }\n'


@pytest.mark.req("GOA-61.16")
def test_a_file_says_how_its_answers_are_said_and_a_mistake_has_its_place(tmp_path: Path) -> None:
    first, *rest = LLM.splitlines(keepends=True)
    said = load_agent(written(tmp_path, "".join((first, ANSWERS, 'say = "{amount|money}"\n', *rest))), TOOLS)
    assert said.say is not None
    assert said.say.text(b'{"amount":5}', ["de"]) == "0,05"
    mistaken = written(tmp_path, "".join((first, ANSWERS, '[say]\nen = "{amount}"\nde = "{betrag}"\n', *rest)))
    error = refusal(mistaken)
    assert (error.code, error.place) == ("agent_invalid", f"{mistaken}:5:1: /say/de")
    yaml = written(
        tmp_path, "name: a.b\nanswers: {type: integer}\nsay: {en: '{answer}'}\nllm: {model: 'echo:'}\n", "a.yaml"
    )
    assert load_agent(yaml, TOOLS).say is not None
