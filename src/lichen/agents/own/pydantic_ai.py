"""An agent of Pydantic AI as one of ours: its loop is its own, its model requests and tool calls pass gate and log."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

import msgspec
import pydantic_ai
from pydantic_ai import RunContext, Tool
from pydantic_ai._function_schema import FunctionSchema
from pydantic_ai._utils import disable_threads
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturn
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import DeferredToolRequests
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, ToolsetTool, WrapperToolset
from pydantic_ai.toolsets.approval_required import ApprovalRequiredToolset
from pydantic_ai.usage import RunUsage

from lichen.agents import document
from lichen.agents.agent import Agent
from lichen.agents.llm.outcomes import outcome
from lichen.agents.models.model import resolve
from lichen.agents.own.adopted import AdoptedTool, adopted, canonical
from lichen.agents.own.function import source_of
from lichen.agents.own.native import Native
from lichen.agents.own.pydantic_messages import conversation, given_back, kept, requested, responded
from lichen.agents.own.pydantic_stream import is_words, streams, whole
from lichen.agents.own.terms import Caller, Terms, caller_of, not_adopted, tool_name, unsupported
from lichen.agents.replay.chat import Chat
from lichen.agents.replay.passage import current
from lichen.agents.replay.planner import ReplayPlanner
from lichen.core.ports.call import CallMeta, NotDone
from lichen.core.ports.model import Deltas, ModelReply
from lichen.core.ports.model import Model as OurModel
from lichen.core.ports.plan import CallRequest
from lichen.core.words.limits import Limits

D = TypeVar("D")
RETRY = "model_retry"  # the code of a call whose tool asks the model for better arguments
"""What a tool of Pydantic AI raises for that is ModelRetry."""


def adopt(
    name: str,
    agent: pydantic_ai.Agent[Any, Any],
    *,
    terms: Terms | None = None,
    effects: Mapping[str, Any] | None = None,
    model: OurModel | str | None = None,
    deps: Callable[[Caller], Any] | None = None,
    agents: Sequence[pydantic_ai.Agent[Any, Any]] = (),
    inline: Iterable[str] = (),
    toolset: str = "",
    limits: Limits | None = None,
    description: str = "",
    version: str = "",
) -> Agent:
    """The agent `name` that runs this agent of Pydantic AI.

    Its own loop is run from the start for every plan; what its model said and its tools gave is told it from the log.
    `effects` says of its tools by name what repeating a call would do: `once` where nothing is said; `terms` says more.
    `model` is asked instead of its own: a Model, or a name such as `openai:gpt-5`. `deps` makes its dependencies for a
    caller, for its loop and for each call of a tool. `inline` names tools that only run other agents, which `agents`
    lists: they are part of the loop, and it is these agents' models and tools that pass the gate. Runs are pinned to
    the agent's tools and model, and to `version`: change it when something else of it changes. Of a ToolReturn the
    model is told the value, and nothing beside it.

    Raises Invalid: `own_unsupported` for what cannot be run again, such as tools of an MCP server or tools that ask for
    approval by themselves; `tool_unknown`, `tool_invalid`, `model_unknown`, `agent_invalid`.
    """
    for each in (agent, *agents):
        if not isinstance(each, AbstractAgent):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            raise not_adopted(each, "agent of Pydantic AI", 'Hand over a pydantic_ai.Agent("openai:gpt-5").')
    asked = resolve(model) if isinstance(model, str) else model
    said = terms or Terms(effects=effects or {})
    shop = _Shop(name, toolset, said, frozenset(inline), deps or _nothing)
    every = (agent, *agents)
    for each in every:
        shop.take(each)
    said.check(shop.names, name)
    parts = (version, [_facts(each) for each in every], shop.sources, asked.name if asked is not None else "")
    code = _Loop(every, shop, asked)
    planner = ReplayPlanner(code.play, digest=document.digest("pydantic-ai/1", parts))
    return Agent(name, planner=planner, tools=shop.tools.values(), limits=limits, description=description)


def _nothing(caller: Caller) -> None:
    return None


def _facts(agent: pydantic_ai.Agent[Any, Any]) -> tuple[str, str, str]:
    model = agent.model
    named = model if isinstance(model, str) else getattr(model, "model_id", "")
    return agent.name or "", str(named), repr(agent.output_type)


# -- tools -------------------------------------------------------------------------------------------------------


class _Shop:
    """The tools of one agent and those that work for it, as tools of ours, by the function that they call."""

    def __init__(
        self, agent: str, toolset: str, terms: Terms, inline: frozenset[str], deps: Callable[[Caller], Any]
    ) -> None:
        self._agent, self._toolset, self._terms, self._inline = agent, toolset, terms, inline
        self.deps = deps
        self.tools: dict[str, AdoptedTool] = {}
        self.names: list[str] = []
        self.sources: list[str] = []

    def take(self, agent: pydantic_ai.Agent[Any, Any]) -> None:
        """Adopts the tools of this agent. Raises Invalid (`own_unsupported`, `tool_invalid`)."""
        for each in agent.toolsets:
            _check(each)
            each.apply(lambda leaf: self._take_all(leaf, agent))

    def _take_all(self, leaf: AbstractToolset[Any], agent: pydantic_ai.Agent[Any, Any]) -> None:
        if not isinstance(leaf, FunctionToolset):
            what = f"The tools of {type(leaf).__name__} are known only when it is asked."
            raise unsupported(what, "Give the agent these as functions, or as tools of Lichen.")
        for own, tool in leaf.tools.items():
            self.sources.append(source_of(tool.function))
            if own in self._inline:
                continue
            if tool.requires_approval:
                step = "Take requires_approval away, and let a policy ask with @approval."
                raise unsupported(f"Tool {own} asks for approval by itself.", step)
            if own in self.names:
                raise unsupported(f"Two tools are called {own}.", "Give one of them another name.")
            self.names.append(own)
            self.tools[own] = self._adopted(own, tool, agent)

    def _adopted(self, own: str, tool: Tool[Any], agent: pydantic_ai.Agent[Any, Any]) -> AdoptedTool:
        shape = _awaitable(tool.function_schema)

        async def act(arguments: Mapping[str, Any], meta: CallMeta) -> Any:
            values = shape.validator.validate_python(dict(arguments))
            try:
                result = await shape.call(values, _context(agent, own, self.deps(Caller.of_call(meta)), meta))
            except ModelRetry as error:
                raise NotDone(error.message, code=RETRY, retryable=False) from error
            except ToolFailed as error:
                raise NotDone(error.message, code="tool_failed", retryable=False) from error
            return result.return_value if isinstance(result, ToolReturn) else result

        return adopted(
            tool_name(self._agent, own, self._toolset), own, act,
            schema=shape.json_schema, description=tool.description or "", terms=self._terms, timeout_s=tool.timeout,
        )  # fmt: skip

    def named(self, own: str) -> str:
        """Our name of a tool; another name, such as an output's, stays."""
        tool = self.tools.get(own)
        return own if tool is None else tool.spec.name

    def owned(self, name: str) -> str:
        """The framework's name of a tool of ours."""
        return next((own for own, tool in self.tools.items() if tool.spec.name == name), name)


def _awaitable(shape: FunctionSchema) -> FunctionSchema:
    """The function of a tool, in a thread of the loop's where it is none to be awaited."""
    if shape.is_async:
        return shape

    async def call(*args: Any, **named: Any) -> Any:
        found = await asyncio.to_thread(shape.function, *args, **named)
        return await found if inspect.isawaitable(found) else found

    return dataclasses.replace(shape, function=call, is_async=True)


def _check(toolset: AbstractToolset[Any]) -> None:
    """Raises Invalid (`own_unsupported`) for a toolset that asks for approval by itself."""
    found = toolset
    while isinstance(found, WrapperToolset):
        if isinstance(found, ApprovalRequiredToolset):
            raise unsupported("A toolset asks for approval by itself.", "Let a policy ask with @approval instead.")
        found = found.wrapped


def _context(agent: pydantic_ai.Agent[Any, Any], own: str, deps: Any, meta: CallMeta) -> RunContext[Any]:
    """What a tool is told of its run, where it is called: its dependencies, and which call it is."""
    call, run = str(meta.call), str(meta.run)
    model = TestModel() if agent.model is None else infer_model(agent.model)
    return RunContext(
        deps=deps, model=model, usage=RunUsage(), agent=agent, tool_name=own, tool_call_id=call, run_id=run
    )


class _Gated(WrapperToolset[Any]):
    """A toolset whose calls are made by the run instead of here."""

    def __init__(self, wrapped: FunctionToolset[Any], shop: _Shop) -> None:
        super().__init__(wrapped)
        self._tools, self._shop = wrapped.tools, shop

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """The call's result, from the log or as the next plan makes it."""
        own = str(getattr(tool, "original_name", None) or name)
        passage, ours = current(), self._shop.tools.get(own)
        if passage is None or ours is None:
            return await super().call_tool(name, tool_args, ctx, tool)
        single = self._tools[own].function_schema.single_arg_name
        given = tool_args if single is None else tool_args[single]
        result = await passage.call(CallRequest(ours.spec.name, canonical(given)))
        if result.outcome == "ok":
            return msgspec.json.decode(result.data or b"null")
        if result.code == RETRY:
            raise ModelRetry(result.reason)
        raise ToolFailed(outcome(result))


# -- models ------------------------------------------------------------------------------------------------------


class _Own(WrapperModel):
    """The framework's own model, which is asked through the run."""

    def __init__(self, wrapped: Model, shop: _Shop) -> None:
        super().__init__(wrapped)
        self._shop = shop

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response, from the log or as the model gives it now."""
        passage = current()
        if passage is None:
            return await super().request(messages, model_settings, model_request_parameters)
        named = self._shop.named

        async def ask(deltas: Deltas | None) -> ModelReply:
            own, given = self.wrapped, (messages, model_settings, model_request_parameters)
            asked = own.request(*given) if deltas is None else whole(own.request_stream(*given), deltas)
            return kept(own.model_id, await asked, named)

        request = requested(messages, model_settings, model_request_parameters, named)
        is_shown = is_words(model_request_parameters) and streams(self.wrapped)
        return given_back(await passage.reply(Native(self.wrapped.model_id, ask), request, shown=is_shown))


class _Ours(Model):
    """A model of ours, as the framework asks one."""

    def __init__(self, model: OurModel, shop: _Shop) -> None:
        super().__init__(profile=ModelProfile(supports_json_schema_output=True, supports_tools=True))
        self._model, self._shop = model, shop

    @property
    def model_name(self) -> str:
        """What follows the provider."""
        return self._model.name.partition(":")[2] or self._model.name

    @property
    def system(self) -> str:
        """The provider."""
        return self._model.name.partition(":")[0]

    @property
    def base_url(self) -> str | None:
        """None: where it is reached is a matter of the run's scope."""
        return None

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The reply as a response, from the log or as the model gives it now."""
        passage = current()
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        request = requested(messages, settings, parameters, self._shop.named)
        reply = await (
            self._model.generate(request)
            if passage is None
            else passage.reply(self._model, request, shown=is_words(parameters))
        )
        return responded(reply, self._shop.owned)


# -- the loop ----------------------------------------------------------------------------------------------------


class _Loop:
    """The framework's own loop over an agent."""

    def __init__(self, agents: Sequence[pydantic_ai.Agent[Any, Any]], shop: _Shop, model: OurModel | None) -> None:
        self._agents, self._shop, self._model = agents, shop, model

    async def play(self, chat: Chat) -> Any:
        """Runs the agent on what the customer said; its output."""
        agent = self._agents[0]
        with ExitStack() as stack:
            stack.enter_context(disable_threads())  # in its loop there is nothing that waits for the world
            for each in self._agents:
                stack.enter_context(self._gated(each))
            ran = await agent.run(
                chat.text,
                message_history=conversation(chat.earlier),
                deps=self._shop.deps(caller_of(chat.scope, chat.actor, chat.run, chat.session, chat.attributes)),
                run_id=str(chat.run),
                conversation_id=str(chat.session or chat.run),
            )
        if isinstance(ran.output, DeferredToolRequests):
            step = "Let a policy ask for approvals, and take DeferredToolRequests out of the output."
            raise unsupported("The agent defers tool calls by itself.", step)
        return ran.output

    def _gated(self, agent: pydantic_ai.Agent[Any, Any]) -> AbstractContextManager[None]:
        """The agent with its model and tools behind the gate, as long as this is open."""

        def gated(leaf: AbstractToolset[Any]) -> AbstractToolset[Any]:
            return _Gated(leaf, self._shop) if isinstance(leaf, FunctionToolset) else leaf

        toolsets = [each.visit_and_replace(gated) for each in agent.toolsets]
        return agent.override(model=self._asked(agent), toolsets=toolsets, tools=[])

    def _asked(self, agent: pydantic_ai.Agent[Any, Any]) -> Model:
        if self._model is not None:
            return _Ours(self._model, self._shop)
        if agent.model is None:
            raise unsupported("The agent has no model.", "Give it one, or name it with model=.")
        return _Own(infer_model(agent.model), self._shop)
