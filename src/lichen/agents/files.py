"""Agents as files: a TOML or JSON file that is a whole agent, except for its tools, which it names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lichen.agents import document
from lichen.agents.agent import Agent, Source
from lichen.agents.llm.llm import INSTRUCTIONS, LLMPlanner
from lichen.agents.rules.planner import RulePlanner
from lichen.agents.toolset import Toolset
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import Planner
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits

FILE_BYTES_MAX = 1024 * 1024
CODE = "agent_file_invalid"
_LINE = re.compile(r" \(at line (\d+), column (\d+)\)")
_DEFAULTS = Limits()

T = TypeVar("T")


class LimitsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: what is left out has its default."""

    calls: int = _DEFAULTS.calls
    time_s: float = _DEFAULTS.time_s
    failures: int = _DEFAULTS.failures
    fan_out: int = _DEFAULTS.fan_out
    depth: int = _DEFAULTS.depth
    tokens: int = _DEFAULTS.tokens
    grace_s: float = _DEFAULTS.grace_s

    def __post_init__(self) -> None:
        self.limits()  # its ValueError gets the table's place

    def limits(self) -> Limits:
        """The limits this table means."""
        return Limits(**msgspec.structs.asdict(self))


class LLMTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[llm]`: what LLMPlanner takes; `model` may be a list of names, of which the first that can answer does."""

    model: str | tuple[str, ...]
    instructions: str = INSTRUCTIONS
    max_tokens: int = 1024
    history_turns: int = 20

    def planner(self) -> LLMPlanner:
        """The planner this table means."""
        return LLMPlanner(
            self.model,
            instructions=self.instructions,
            max_tokens=self.max_tokens,
            history_turns=self.history_turns,
        )


class AgentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Exactly one of `[rules]` (what RulePlanner takes) and `[llm]`; `tools` lists what it may use."""

    name: str
    description: str = ""
    tools: Sequence[str] = ()
    limits: LimitsTable = LimitsTable()
    rules: Mapping[str, Any] | None = None
    llm: LLMTable | None = None


def load_agent(path: str | Path, tools: Iterable[Tool | Toolset] = ()) -> Agent:
    """The agent in the file at `path`. It sees those of `tools` that the file lists, and no others.

    Raises Invalid (`agent_file_invalid`, `rule_invalid`, `tool_unknown`, `agent_invalid`, `model_unknown`) whose place
    is `file:line:column` where the file cannot be read, else `file#` and the JSON pointer of what is wrong.
    """
    given = Toolset("given", tools)
    data = document.load(path, FILE_BYTES_MAX, code=CODE)
    key = str(Path(path).resolve())

    def again(files: Mapping[str, bytes]) -> Agent:
        agent = _made(Path(path), files[key], given)
        return agent.from_source(Source(files, again, given.tools))

    return again({key: data})


def _made(path: Path, data: bytes, given: Toolset) -> Agent:
    tree = _parsed(path, data)
    return _placed(lambda: _agent(document.read(tree, AgentFile, code=CODE), given), f"{path}#")


def _agent(file: AgentFile, given: Toolset) -> Agent:
    planner = _planner(file)
    chosen = [_placed(lambda name=name: given[name], f"/tools/{i}") for i, name in enumerate(file.tools)]
    if isinstance(planner, RulePlanner):
        _check_calls(planner, {tool.spec.name for tool in chosen})
    limits = file.limits.limits()
    return Agent(file.name, planner=planner, tools=chosen, limits=limits, description=file.description)


def _planner(file: AgentFile) -> Planner:
    rules, llm = file.rules, file.llm
    if rules is not None and llm is None:
        return _placed(lambda: RulePlanner.from_mapping(rules), "/rules")
    if llm is not None and rules is None:
        return _placed(llm.planner, "/llm")
    step = "Write one table [rules], or one table [llm]."
    raise Invalid("An agent has exactly one planner.", code=CODE, next_step=step)


def _check_calls(rules: RulePlanner, listed: set[str]) -> None:
    """Raises Invalid for a rule that calls what the agent does not list: it could never work."""
    for i, intent in enumerate(rules.intents):
        for j, call in enumerate(intent.calls):
            if call.tool not in listed:
                raise Invalid(
                    f"Intent {intent.name!r} calls {call.tool!r}, which is not among the agent's tools.",
                    code="rule_invalid",
                    next_step="Add it to `tools`, or correct the name.",
                    place=f"/rules/intents/{i}/calls/{j}/tool",
                )


def _placed(make: Callable[[], T], prefix: str) -> T:
    """What `make` makes; the place of an Invalid gets `prefix` in front of it."""
    try:
        return make()
    except Invalid as error:
        place = prefix + (error.place or "").removesuffix("/")
        raise Invalid(error.message, code=error.code, next_step=error.next_step, place=place) from error


def _parsed(path: Path, data: bytes) -> Mapping[str, Any]:
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        return msgspec.json.decode(data) if kind == "JSON" else tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = _LINE.search(str(error))
        place = f"{path}:{found[1]}:{found[2]}" if found else str(path)
        message = f"The file is not {kind}: {_LINE.sub('', str(error))}."
        raise Invalid(message, code=CODE, next_step="Correct the file at the place named.", place=place) from None
