"""An agent as another agent's tool: the contract of a child run, and the words the child starts with."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec
from pydantic import BaseModel

from lichen.agents import document
from lichen.agents.llm.instructions import facts_of, identity, named
from lichen.agents.llm.prompts import Prompt
from lichen.core.ports.agent import AgentDef
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.plan import RunContext
from lichen.core.speech.template import Template, TemplateError, parse, pick
from lichen.core.words.ids import ToolName
from lichen.tools.agent_tool import AgentTool, agent_tool
from lichen.tools.arguments.codec import ArgumentCodec
from lichen.tools.spec import pinned, tool_invalid


class Reply(BaseModel):
    """What a call of an agent gives: the child run's answer."""

    answer: str


Build = Callable[[Any], str]
"""Makes the first message of a child of the arguments of its call. Raises ValueError for those it will not take."""


class Brief(NamedTuple):
    """How the first message of a child is worded: of what is given here the first counts, else the arguments as JSON.

    A prompt is filled in with the facts of the caller's run, and the arguments follow it.
    """

    prompt: Prompt | None = None
    template: Template | None = None
    text: str = ""
    build: Build | None = None

    def message(self, args: bytes, run: RunContext) -> str:
        """The message for canonical arguments. Raises what the function raises."""
        if self.prompt is not None:
            return f"{self.prompt.render(named(facts_of(run)))}\n\n{args.decode()}"
        if self.template is not None:
            tree: Any = msgspec.json.decode(args)
            return self.template.render(lambda r: pick(tree, (r.name, *r.path))) or args.decode()
        if self.text or self.build is None:
            return self.text or args.decode()
        return self.build(msgspec.json.decode(args))

    @property
    def parts(self) -> object:
        """What tells it from others; a template alone, as ever."""
        if self == Brief(template=self.template):
            return self.template
        built = "" if self.build is None else _source(self.build)
        return (self.prompt and identity(self.prompt), self.template, self.text, built)


class ChildTool(AgentTool):
    """What `Agent.as_tool` gives. `child` is the agent whose run answers the call."""

    def __init__(self, spec: ToolSpec, arguments: ArgumentCodec, *, child: AgentDef, brief: Brief) -> None:
        super().__init__(_with_brief(spec, brief), arguments)
        self.child = child
        self._codec = arguments
        self._brief = brief

    def message(self, args: bytes, run: RunContext) -> str:
        """The child's first message, for canonical arguments of a call in this run."""
        return self._brief.message(args, run)

    def with_spec(self, spec: ToolSpec) -> ChildTool:
        """The same agent under another contract."""
        return ChildTool(spec, self._codec, child=self.child, brief=self._brief)

    def renamed(self, name: ToolName) -> ChildTool:
        """The same agent under another tool name."""
        spec = msgspec.structs.replace(self.spec, name=name)
        return ChildTool(spec, self._codec, child=self.child, brief=self._brief)


class Wording(NamedTuple):
    """What `Agent.as_tool` takes of how the first message is worded."""

    prompt: Prompt | None = None
    template: str = ""
    text: str = ""
    build: Build | None = None


def child_tool(child: AgentDef, *, description: str, input: object, wording: Wording, name: str) -> ChildTool:
    """`child` as a tool. Raises Invalid (`tool_invalid`) for an input, name or template that cannot be used."""
    contract = agent_tool(
        child.name,
        description=description,
        input_type=input,
        output_type=Reply,
        name=name or None,
        timeout_s=child.limits.time_s + child.limits.grace_s,
    )
    spec = contract.spec
    if child.answers is not None:
        spec = msgspec.structs.replace(spec, output_schema=child.answers.schema)
    parsed = _parsed(wording.template, spec) if wording.template else None
    brief = Brief(wording.prompt, parsed, wording.text, wording.build)
    return ChildTool(spec, ArgumentCodec(input), child=child, brief=brief)


def _with_brief(spec: ToolSpec, brief: Brief) -> ToolSpec:
    """`spec` with a digest that pins the wording too."""
    plain = pinned(spec)
    if brief == Brief():
        return plain
    return msgspec.structs.replace(plain, digest=document.digest("agent-tool/1", (plain.digest, brief.parts)))


def _source(build: Build) -> str:
    """What tells versions of a function apart."""
    try:
        return inspect.getsource(build)
    except (OSError, TypeError):
        return getattr(build, "__qualname__", type(build).__qualname__)


def _parsed(text: str, spec: ToolSpec) -> Template:
    step = "Refer to the input's fields, as in {message}."
    try:
        template = parse(text)
    except TemplateError as error:
        raise tool_invalid(f"The template is wrong: {error}.", place=spec.name, next_step=step) from None
    fields = cast("dict[str, Any]", spec.input_schema.get("properties", {}))
    unknown = next((r.name for r in template.references if r.name not in fields), None)
    if unknown is not None:
        raise tool_invalid(f"The input has no field {unknown!r}.", place=spec.name, next_step=step)
    return template
