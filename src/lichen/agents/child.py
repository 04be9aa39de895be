"""An agent as another agent's tool: the contract of a child run, and the words the child starts with."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from pydantic import BaseModel

from lichen.agents import document
from lichen.core.ports.agent import AgentDef
from lichen.core.ports.call import ToolSpec
from lichen.core.speech.template import Template, TemplateError, parse, pick
from lichen.core.words.ids import ToolName
from lichen.tools.agent_tool import AgentTool, agent_tool
from lichen.tools.arguments.codec import ArgumentCodec
from lichen.tools.spec import pinned, tool_invalid


class Reply(BaseModel):
    """What a call of an agent gives: the child run's answer."""

    answer: str


class ChildTool(AgentTool):
    """What `Agent.as_tool` gives. `child` is the agent whose run answers the call."""

    def __init__(self, spec: ToolSpec, arguments: ArgumentCodec, *, child: AgentDef, template: Template | None) -> None:
        super().__init__(_with_template(spec, template), arguments)
        self.child = child
        self._codec = arguments
        self._template = template

    def message(self, args: bytes) -> str:
        """The child's first message, for canonical arguments: the template filled in, else the arguments as JSON."""
        tree: Any = msgspec.json.decode(args)
        text = self._template and self._template.render(lambda r: pick(tree, (r.name, *r.path)))
        return text or args.decode()

    def with_spec(self, spec: ToolSpec) -> ChildTool:
        """The same agent under another contract."""
        return ChildTool(spec, self._codec, child=self.child, template=self._template)

    def renamed(self, name: ToolName) -> ChildTool:
        """The same agent under another tool name."""
        spec = msgspec.structs.replace(self.spec, name=name)
        return ChildTool(spec, self._codec, child=self.child, template=self._template)


def child_tool(child: AgentDef, *, description: str, input: object, template: str, name: str) -> ChildTool:
    """`child` as a tool. Raises Invalid (`tool_invalid`) for an input, name or template that cannot be used."""
    contract = agent_tool(
        child.name,
        description=description,
        input_type=input,
        output_type=Reply,
        name=name or None,
        timeout_s=child.limits.time_s + child.limits.grace_s,
    )
    parsed = _parsed(template, contract.spec) if template else None
    return ChildTool(contract.spec, ArgumentCodec(input), child=child, template=parsed)


def _with_template(spec: ToolSpec, template: Template | None) -> ToolSpec:
    """`spec` with a digest that pins the template too."""
    plain = pinned(spec)
    if template is None:
        return plain
    return msgspec.structs.replace(plain, digest=document.digest("agent-tool/1", (plain.digest, template)))


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
