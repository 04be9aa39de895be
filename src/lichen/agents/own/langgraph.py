"""A graph of LangGraph as an agent of ours: its nodes and edges are its own, its requests and calls gated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Protocol, cast

import msgspec
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools import tool as made_tool
from langsmith import run_helpers
from pydantic import ConfigDict

from lichen.agents import document
from lichen.agents.agent import Agent
from lichen.agents.llm.outcomes import outcome
from lichen.agents.models.model import resolve
from lichen.agents.own.adopted import AdoptedTool, adopted, canonical
from lichen.agents.own.langgraph_messages import (
    Offered,
    conversation,
    given_back,
    kept,
    offered,
    requested,
    responded,
    schema_of,
)
from lichen.agents.own.native import Native
from lichen.agents.own.terms import Terms, not_adopted, tool_name, unsupported
from lichen.agents.replay.chat import Chat
from lichen.agents.replay.passage import Passage, current
from lichen.agents.replay.planner import ReplayPlanner
from lichen.core.ports.call import CallMeta
from lichen.core.ports.model import Deltas, ModelReply
from lichen.core.ports.model import Model as OurModel
from lichen.core.ports.plan import CallRequest
from lichen.core.words.limits import Limits


class Graph(Protocol):
    """A compiled graph."""

    @property
    def checkpointer(self) -> Any:
        """What keeps its states, if anything."""
        ...

    def get_graph(self) -> Any:
        """Its nodes and edges."""
        ...

    @property
    def ainvoke(self) -> Callable[..., Awaitable[Any]]:
        """Runs it."""
        ...


def adopt(
    name: str,
    graph: Graph,
    *,
    tools: Iterable[BaseTool] = (),
    effects: Mapping[str, Any] | None = None,
    terms: Terms | None = None,
    begins: Callable[[Chat], Any] | None = None,
    ends: Callable[[Any], Any] | None = None,
    toolset: str = "",
    limits: Limits | None = None,
    description: str = "",
    version: str = "",
) -> Agent:
    """The agent `name` that runs this compiled graph, made with models of `asked` and tools of `gated`.

    The graph is run from its start for every plan; what its models said and its tools gave is told it from the log, so
    it needs no checkpointer and may have none. `effects` says of the tools by name what repeating a call would do:
    `once` where nothing is said; `terms` says more. `begins` makes the graph's input, the conversation as `messages`
    without it, and `ends` the answer of its output, the last message without it. LangSmith's tracing is off. Runs are
    pinned to the graph's nodes and edges, its tools, and to `version`: change it when something else of it changes.

    Raises Invalid: `own_unsupported` for a checkpointer, and for tools that are not from `gated`; `tool_unknown`,
    `tool_invalid`, `agent_invalid`.
    """
    _check(graph)
    if graph.checkpointer:
        step = "Compile it without a checkpointer: the log has what it needs."
        raise unsupported("A graph with a checkpointer would go on where it was.", step)
    said = terms or Terms(effects=effects or {})
    shop = _Shop(name, toolset, said, [_gated(tool) for tool in tools])
    said.check(shop.tools, name)
    pinned = document.digest("langgraph/1", (version, graph.get_graph().draw_mermaid()))

    async def play(chat: Chat) -> Any:
        token = _SHOP.set(shop)
        try:
            given = begins(chat) if begins else {"messages": conversation(chat.earlier, chat.text)}
            with _untraced():
                output = await graph.ainvoke(given)
        finally:
            _SHOP.reset(token)
        return (ends or _last)(output)

    planner = ReplayPlanner(play, digest=pinned)
    return Agent(name, planner=planner, tools=shop.tools.values(), limits=limits, description=description)


def _check(graph: object) -> None:
    """Raises Invalid (`agent_invalid`) for what cannot be run as a graph."""
    if not callable(getattr(graph, "ainvoke", None)) or not hasattr(graph, "checkpointer"):
        is_plan = callable(getattr(graph, "compile", None))
        step = "Hand over graph.compile()." if is_plan else "Hand over what StateGraph(...).compile() gives."
        raise not_adopted(graph, "compiled graph", step)


def _untraced() -> AbstractContextManager[None]:
    """Nothing of a run goes to LangSmith, whatever the environment says."""
    context: Any = getattr(run_helpers, "tracing_context")  # noqa: B009 - typed in part
    return context(enabled=False)


def _last(output: Any) -> Any:
    """The words of the last message; what the graph made in a form of its own, where there is such a thing."""
    if not isinstance(output, Mapping):
        return output
    state = cast("Mapping[str, Any]", output)
    if state.get("__interrupt__"):
        raise unsupported("The graph stopped with an interrupt.", "Let a policy ask with @approval.")
    messages: Sequence[Any] = state.get("messages") or ()
    if state.get("structured_response") is not None or not messages:
        return state.get("structured_response")
    return str(messages[-1].text) if isinstance(messages[-1], BaseMessage) else messages[-1]


class _Shop:
    """The tools of a graph, as tools of ours."""

    def __init__(self, agent: str, toolset: str, terms: Terms, tools: Sequence[GatedTool]) -> None:
        self.tools: dict[str, AdoptedTool] = {}
        for tool in tools:
            if tool.name in self.tools:
                raise unsupported(f"Two tools are called {tool.name}.", "Give one of them another name.")
            self.tools[tool.name] = adopted(
                tool_name(agent, tool.name, toolset), tool.name, _acting(tool.inner),
                schema=schema_of(tool.inner), description=tool.description, terms=terms,
            )  # fmt: skip

    def named(self, own: str) -> str:
        """Our name of a tool; another name stays."""
        tool = self.tools.get(own)
        return own if tool is None else tool.spec.name

    def owned(self, name: str) -> str:
        """The framework's name of a tool of ours."""
        return next((own for own, tool in self.tools.items() if tool.spec.name == name), name)


_SHOP: ContextVar[_Shop | None] = ContextVar("lichen_langgraph", default=None)


# -- tools -------------------------------------------------------------------------------------------------------


class GatedTool(BaseTool):
    """A tool whose calls are made by the run; outside of one, by the tool itself."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    inner: BaseTool
    handle_tool_error: Any = True  # a call that was denied is a message, and does not end the graph

    async def _arun(self, **arguments: Any) -> Any:
        passage, shop = current(), _SHOP.get()
        ours = None if shop is None else shop.tools.get(self.name)
        if passage is None or ours is None:
            return await self.inner.ainvoke(arguments)
        return await _called(passage, ours, arguments)

    def _run(self, **arguments: Any) -> Any:
        passage, shop = current(), _SHOP.get()
        ours = None if shop is None else shop.tools.get(self.name)
        if passage is None or ours is None:
            return self.inner.invoke(arguments)
        return passage.on_loop(_called(passage, ours, arguments))


async def _called(passage: Passage, ours: AdoptedTool, arguments: Mapping[str, Any]) -> Any:
    result = await passage.call(CallRequest(ours.spec.name, canonical(dict(arguments))))
    if result.outcome == "ok":
        return msgspec.json.decode(result.data or b"null")
    raise ToolException(outcome(result))


def gated(tools: Iterable[BaseTool | Callable[..., Any]]) -> list[BaseTool]:
    """These tools with their calls behind the gate, for `bind_tools`, `ToolNode` and `adopt`.

    Tools that only say where the graph goes on, by returning a Command, stay as they are: do not gate them. Raises
    Invalid (`own_unsupported`) for tools that are given state, store or their call by the graph, or return artifacts.
    """
    return [_gate(tool if isinstance(tool, BaseTool) else made_tool(tool)) for tool in tools]


def _gate(tool: BaseTool) -> GatedTool:
    if isinstance(tool, GatedTool):
        return tool
    shown = cast("Mapping[str, Any]", schema_of(tool).get("properties", {}))
    taken: Any = tool.get_input_schema()
    if set(taken.model_fields) - set(shown):
        step = "Take what it needs as arguments, or leave it out of `gated` if it does nothing to the world."
        raise unsupported(f"Tool {tool.name} is given parts of the graph's state.", step)
    if tool.response_format != "content":
        raise unsupported(f"Tool {tool.name} returns artifacts.", "Return all of it as content.")
    return GatedTool(
        name=tool.name,
        description=tool.description,
        args_schema=tool.args_schema,
        return_direct=tool.return_direct,
        inner=tool,
    )


def _gated(tool: BaseTool) -> GatedTool:
    if not isinstance(tool, GatedTool):
        raise unsupported(f"Tool {tool.name} is not behind the gate.", "Build the graph with what `gated` returns.")
    return tool


def _acting(tool: BaseTool) -> Callable[[Mapping[str, Any], CallMeta], Any]:
    """What a tool does. What it raises is raised: a message in its place would hide that it may have acted."""
    plain = tool.model_copy(update={"handle_tool_error": False, "handle_validation_error": False})

    async def act(arguments: Mapping[str, Any], meta: CallMeta) -> Any:
        with _untraced():
            return await plain.ainvoke(dict(arguments))

    return act


# -- models ------------------------------------------------------------------------------------------------------


class AskedModel(BaseChatModel):
    """A chat model that is asked through the run; outside of one, directly."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    own: BaseChatModel | None = None
    ours: Any = None
    name_of_own: str = ""

    @property
    def _llm_type(self) -> str:
        return "lichen"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **named: Any) -> Runnable[Any, AIMessage]:
        """The model with these tools to choose from."""
        chosen = {} if tool_choice is None else {"tool_choice": tool_choice}
        bound = self.bind(tools=list(tools), **chosen, **named)
        return cast("Runnable[Any, AIMessage]", bound)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **named: Any,
    ) -> ChatResult:
        return _result(await self._said(messages, offered(stop, named)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **named: Any,
    ) -> ChatResult:
        passage, what = current(), offered(stop, named)
        if passage is not None:
            return _result(passage.on_loop(self._said(messages, what)))
        if self.own is None:
            raise unsupported("A model of ours is asked in a run, or without one asynchronously.", "Use ainvoke.")
        return _result(what.bound(self.own).invoke(messages))

    async def _said(self, messages: Sequence[BaseMessage], what: Offered) -> AIMessage:
        passage, shop = current(), _SHOP.get()
        named = shop.named if shop is not None else str
        model: OurModel | None = self.ours
        if model is not None:
            request = requested(messages, what, named, is_sent=True)
            asked = model.generate(request) if passage is None else passage.reply(model, request, shown=True)
            return responded(await asked, shop.owned if shop is not None else str)
        assert self.own is not None, "made by `asked`"
        bound = what.bound(self.own)
        if passage is None:
            return cast("AIMessage", await bound.ainvoke(list(messages)))

        async def ask(deltas: Deltas | None) -> ModelReply:
            return kept(self.name_of_own, cast("AIMessage", await bound.ainvoke(list(messages))), named)

        request = requested(messages, what, named, is_sent=False)
        return given_back(await passage.reply(Native(self.name_of_own, ask), request))


def asked(model: BaseChatModel | OurModel | str) -> AskedModel:
    """The chat model that a graph asks: one of LangChain's own, a Model of ours, or a name such as `openai:gpt-5`.

    Raises Invalid (`model_unknown`).
    """
    if isinstance(model, BaseChatModel):
        named = getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__
        return AskedModel(own=model, name_of_own=f"{model._llm_type}:{named}")  # pyright: ignore[reportPrivateUsage] - every chat model says it there
    return AskedModel(ours=resolve(model) if isinstance(model, str) else model)


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
