"""An agent: a planner, the tools it may use and the limits of each run."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from lichen.agents import document
from lichen.agents.child import Build, ChildTool, Wording, child_tool
from lichen.agents.llm.prompts import Prompt
from lichen.agents.recall import recall_tools
from lichen.agents.toolset import Toolset, flattened, repeated
from lichen.core.memory.events import MemoryScope, recall_of
from lichen.core.memory.events import Recall as Recall
from lichen.core.ports.agent import OnMissing
from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import Planner
from lichen.core.remote.tools import RemoteTools
from lichen.core.speech.spoken import Spoken, spoken
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import AgentName, ToolName
from lichen.core.words.limits import Limits
from lichen.tools.agent_tool import Task
from lichen.tools.arguments.answer import TypedAnswer, answer_type
from lichen.tools.miscalled import refuses_misuse
from lichen.tools.spec import pinned, written_at

NAME_CHARS_MAX = 64
_PLANNERS = "Give it one, such as RulePlanner(...) or LLMPlanner(...)."
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class Source(NamedTuple):
    """Where an agent that is a file comes from, by path, and what makes the same of other text.

    `again` is told the files, and tools that stand in for those of their names; it raises Invalid where they make no
    agent. `tools` are all it could be given.
    """

    files: Mapping[str, bytes]
    again: Callable[[Mapping[str, bytes], Sequence[Tool]], Agent]
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Agent:
    """A definition, the same for every run: `Agent("shop.support", planner=..., tools=[lookup, refund])`.

    `tools` takes tools, toolsets, other agents' `as_tool()`, and `RemoteTools` of a server; the agent sees these and no
    others. `digest` pins the name, the planner, every tool's contract, the servers it asks for and the limits.
    `answers` is what each answer has to be: a type that pydantic knows, or a JSON Schema. A run that cannot give that
    fails (`answer_invalid`). `say` is the sentence that customers read in place of the value, a template with its
    fields in braces, or one for each language: `{"en": "I refunded {amount|money} EUR.", "de": "…"}`. The value
    stays as it is for whoever asked by API or as another agent.

    `on_missing` is what follows when a call lacks arguments: `resume` tells the planner, `ask` asks the customer for
    them and tells the planner what they said, `finalize` lets it answer with what it has.

    `memory` gives it `session.recall`, to look back on the conversation, and with `"person"` also `person.recall`, on
    all that this person had with it; a `Recall` says how much. Policy decides each look like any call.

    Raises Invalid (`agent_invalid`) for a name that is not lower-case words joined by dots, for a missing planner,
    for two tools of one name, and for a `say` that names what not every answer has.

    `lies_in` is the pack that it comes from and its name there, None where it comes from none.
    """

    name: AgentName
    planner: Planner
    tools: Mapping[ToolName, Tool]
    limits: Limits
    description: str
    digest: str
    source: Source | None
    answers: AnswerType | None
    on_missing: OnMissing
    remote: tuple[RemoteTools, ...]
    say: Spoken | None
    lies_in: tuple[str, str] | None

    @refuses_misuse("Agent", "agent_invalid")
    def __init__(
        self,
        name: str,
        *,
        planner: Planner,
        tools: Iterable[Tool | Toolset | RemoteTools] = (),
        limits: Limits | None = None,
        description: str = "",
        answers: Any = None,
        say: str | Mapping[str, str] = "",
        on_missing: OnMissing = "resume",
        memory: bool | MemoryScope | Recall = False,
    ) -> None:
        recall = recall_of(memory)
        every = tuple(tools)
        remote = tuple(one for one in every if isinstance(one, RemoteTools))
        own = flattened(one for one in every if not isinstance(one, RemoteTools))
        given = (*own, *(recall_tools(recall) if recall is not None else ()))
        _check(name, planner, given)
        limits = limits or Limits()
        pins = [(tool.spec.name, tool.spec.digest or pinned(tool.spec).digest) for tool in given]
        by_name = MappingProxyType({tool.spec.name: tool for tool in given})
        object.__setattr__(self, "name", AgentName(name))
        object.__setattr__(self, "planner", planner)
        object.__setattr__(self, "tools", by_name)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "source", None)
        object.__setattr__(self, "lies_in", None)
        object.__setattr__(self, "on_missing", on_missing)
        object.__setattr__(self, "remote", remote)
        wanted = None if answers is None else answer_type(answers)
        object.__setattr__(self, "answers", wanted)
        sentence = _sentence(say, wanted)
        object.__setattr__(self, "say", sentence)
        stated = [bound for bound in msgspec.structs.astuple(limits) if bound is not None]
        bounds = [float(bound) for bound in stated]  # 120 and 120.0 are the same limit
        parts = (name, planner.digest, pins, bounds)
        pinning = parts if wanted is None else (*parts, wanted.schema)
        pinning = pinning if sentence is None else (*pinning, {"say": sentence.written})
        pinning = pinning if on_missing == "resume" else (*pinning, on_missing)
        pinning = (*pinning, [msgspec.structs.astuple(one) for one in remote]) if remote else pinning
        pinning = pinning if recall is None else (*pinning, msgspec.to_builtins(recall))
        object.__setattr__(self, "digest", document.digest("agent/1", pinning))

    def from_source(self, source: Source) -> Agent:
        """The same agent, which knows the files that it was made of."""
        made = copy.copy(self)
        object.__setattr__(made, "source", source)
        return made

    def lying_in(self, pack: str, name: str = "") -> Agent:
        """The same agent, which knows the pack it lies in, and its own name there: rules of access call it so."""
        made = copy.copy(self)
        object.__setattr__(made, "lies_in", (pack, name or self.name))
        if (source := self.source) is not None:

            def again(files: Mapping[str, bytes], instead: Sequence[Tool] = ()) -> Agent:
                return source.again(files, instead).lying_in(pack, name)

            object.__setattr__(made, "source", source._replace(again=again))
        return made

    @property
    def children(self) -> tuple[Agent, ...]:
        """The agents it calls as tools: a runtime needs them too."""
        children = (tool.child for tool in self.tools.values() if isinstance(tool, ChildTool))
        return tuple(child for child in children if isinstance(child, Agent))

    def as_tool(
        self,
        *,
        description: str = "",
        input: object = Task,
        prompt: Prompt | None = None,
        template: str = "",
        text: str = "",
        build: Build | None = None,
        name: str = "",
    ) -> ChildTool:
        """This agent as a tool of another one: each call is a child run with its own log and limits.

        `input`: the type of the arguments, an object pydantic knows; one field `message` by default. The child's first
        message is, of what is given here, the first: `prompt`, filled in with the facts of the caller's run and
        followed by the arguments; `template` with the arguments filled in; `text` as it is; what `build` makes of the
        arguments; else the arguments as JSON. A `build` that raises ValueError fails the call (`brief_refused`), and no
        run is started. The result is `{"answer": "…"}`, of an agent whose answers have a type a value of that. Raises
        Invalid (`tool_invalid`).
        """
        wording = Wording(prompt, template, text, build)
        return child_tool(self, description=description or self.description, input=input, wording=wording, name=name)


def _sentence(say: str | Mapping[str, str], answers: AnswerType | None) -> Spoken | None:
    """How its answers are said. Raises Invalid (`agent_invalid`) with the place `/say`."""
    if say == "":
        return None
    if answers is None:
        step = "Give it `answers`, or leave out `say`."
        raise Invalid(
            "The answers of an agent without a type have words of their own.",
            code="agent_invalid",
            next_step=step,
            place="/say",
        )
    return spoken(say, answers.schema, has_defaults=isinstance(answers, TypedAnswer))


def _check(name: str, planner: Planner | None, tools: tuple[Tool, ...]) -> None:
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        step = f"Use at least two lower-case words joined by dots, at most {NAME_CHARS_MAX} characters: shop.support."
        raise Invalid(f"{name!r} is not an agent name.", code="agent_invalid", next_step=step)
    _check_planner(name, planner)
    twice = repeated(tools)
    if twice is not None:
        step = "Leave one out, or rename a toolset's tools with `with_prefix`."
        raise Invalid(f"Agent {name} has two tools named {twice}.", code="agent_invalid", next_step=step)


def _check_planner(name: str, planner: object) -> None:
    """Raises Invalid (`agent_invalid`) for what decides nothing."""
    is_planner = callable(getattr(planner, "plan", None)) and isinstance(getattr(planner, "digest", None), str)
    if is_planner and not isinstance(planner, type):
        return
    step = f'Write planner=LLMPlanner("{planner}").' if isinstance(planner, str) else _PLANNERS
    what = "has no planner" if planner is None else f"has a {_kind(planner)} as its planner, which plans nothing"
    raise Invalid(f"Agent {name} {what}.", code="agent_invalid", next_step=step, place=written_at())


def _kind(value: object) -> str:
    return f"class {value.__name__}" if isinstance(value, type) else type(value).__name__
