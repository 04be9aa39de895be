"""An agent of the OpenAI Agents SDK as one of ours, with those that it hands over to or uses as tools.

Its tools and models are put behind the gate where they are: in a run of ours they ask it, elsewhere they work as they
did.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, cast

import msgspec
from agents import (
    Agent as SdkAgent,
)
from agents import (
    AgentOutputSchemaBase,
    FunctionTool,
    Handoff,
    Model,
    ModelResponse,
    ModelSettings,
    ModelTracing,
    MultiProvider,
    RunConfig,
    Runner,
    Tool,
    trace,
)
from agents.exceptions import InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered
from agents.tool import with_function_tool_failure_error_handler
from agents.tool_context import ToolContext

from lichen.agents import document
from lichen.agents.agent import Agent
from lichen.agents.llm.outcomes import outcome
from lichen.agents.models.model import resolve
from lichen.agents.own.adopted import AdoptedTool, adopted
from lichen.agents.own.native import Native
from lichen.agents.own.openai_items import conversation, given_back, kept, requested, responded, streams, whole
from lichen.agents.own.openai_watch import watch
from lichen.agents.own.terms import Caller, Terms, caller_of, not_adopted, tool_name, unsupported
from lichen.agents.replay.chat import Chat
from lichen.agents.replay.passage import current
from lichen.agents.replay.planner import ReplayPlanner
from lichen.core.ports.call import CallMeta
from lichen.core.ports.model import Deltas, ModelReply
from lichen.core.ports.model import Model as OurModel
from lichen.core.ports.plan import CallRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits
from lichen.tools.arguments.document import dump, parse

Invoking = Callable[[ToolContext[Any], str], Awaitable[Any]]

TURNS_MAX: Final = 64  # of the framework's loop; the limits of the run end it before


class ToolFailed(Exception):
    """A call that gave no result, to the SDK: the tool's own error function tells the model of it."""


def adopt(
    name: str,
    agent: SdkAgent[Any],
    *,
    effects: Mapping[str, Any] | None = None,
    terms: Terms | None = None,
    model: OurModel | str | None = None,
    context: Callable[[Caller], Any] | None = None,
    agents: Sequence[SdkAgent[Any]] = (),
    toolset: str = "",
    limits: Limits | None = None,
    description: str = "",
    version: str = "",
) -> Agent:
    """The agent `name` that runs this agent of the OpenAI Agents SDK, its hand-offs, and the agents it uses as tools.

    Its own loop is run from the start for every plan; what its model said and its tools gave is told it from the log.
    `effects` says of its tools by name what repeating a call would do: `once` where nothing is said; `terms` says more.
    `model` is asked instead of its own: a Model, or a name such as `openai:gpt-5`. `context` makes the SDK's context
    for a caller, for the loop and for each call of a tool. `agents` are others that it runs, as in a guardrail. The
    SDK's tracing is off. Runs are pinned to instructions, tools and models, and to `version`.

    Raises Invalid: `own_unsupported` for what cannot be run again, such as hosted tools, MCP servers and tools that
    ask for approval by themselves; `tool_unknown`, `tool_invalid`, `model_unknown`, `agent_invalid`.
    """
    for each in (agent, *agents):
        if not isinstance(each, SdkAgent):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            raise not_adopted(each, "agent of the OpenAI Agents SDK", 'Hand over an agents.Agent("support").')
    asked = resolve(model) if isinstance(model, str) else model
    said = terms or Terms(effects=effects or {})
    every = list(_reached([agent, *agents]))
    shop = _Shop(asked, context or _nothing)
    for each in every:
        _check(each)
        for tool in each.tools:
            if isinstance(tool, FunctionTool) and not _inner(tool):
                shop.take(name, tool, said, toolset)
    said.check(shop.tools, name)
    for each in every:
        _gate(each)
    watch(lambda agent: isinstance(agent.model, _Gated))
    parts = (version, [_facts(each) for each in every], asked.name if asked is not None else "")
    planner = ReplayPlanner(lambda chat: _play(chat, agent, shop), digest=document.digest("openai-agents/1", parts))
    return Agent(name, planner=planner, tools=shop.tools.values(), limits=limits, description=description)


def _nothing(caller: Caller) -> None:
    return None


def _facts(agent: SdkAgent[Any]) -> tuple[str, ...]:
    instructions = agent.instructions if isinstance(agent.instructions, str) else ""
    return agent.name, instructions, _model_name(agent.model), repr(agent.output_type)


# -- who takes part ----------------------------------------------------------------------------------------------


def _reached(agents: Sequence[SdkAgent[Any]]) -> Iterator[SdkAgent[Any]]:
    """The agents and all that they hand over to or use as tools, each once."""
    seen: set[int] = set()
    left = list(agents)
    while left:
        agent = left.pop(0)
        if id(agent) in seen:
            continue
        seen.add(id(agent))
        yield agent
        left += [_receiver(each) for each in agent.handoffs]
        left += [inner for tool in agent.tools if (inner := _inner(tool)) is not None]


def _receiver(handoff: SdkAgent[Any] | Handoff[Any, Any]) -> SdkAgent[Any]:
    if isinstance(handoff, SdkAgent):
        return handoff
    found = getattr(handoff, "_agent_ref", None)  # a weak reference: the SDK tells it nowhere else
    agent = found() if found is not None else None
    if not isinstance(agent, SdkAgent):
        raise unsupported("A hand-off does not say to whom.", "Name the agent itself in handoffs.")
    return cast("SdkAgent[Any]", agent)


def _inner(tool: object) -> SdkAgent[Any] | None:
    """The agent that a tool runs, of one made with `as_tool`."""
    found = getattr(tool, "_agent_instance", None)
    return cast("SdkAgent[Any]", found) if isinstance(found, SdkAgent) else None


def _check(agent: SdkAgent[Any]) -> None:
    """Raises Invalid (`own_unsupported`)."""
    if agent.mcp_servers:
        what = f"The tools of the MCP servers of {agent.name} are known only when these are asked."
        raise unsupported(what, "Give the agent these as functions, or as tools of Lichen.")
    for tool in agent.tools:
        if not isinstance(tool, FunctionTool):
            what = f"{type(tool).__name__} of {agent.name} acts where the gate does not see it."
            raise unsupported(what, "Give the agent a function that does it.")
        if tool.needs_approval is not False:
            step = "Take needs_approval away, and let a policy ask with @approval."
            raise unsupported(f"Tool {tool.name} asks for approval by itself.", step)


# -- tools -------------------------------------------------------------------------------------------------------


class _Shop:
    """The tools of an adopted agent, and what is asked instead of its own models."""

    def __init__(self, model: OurModel | None, context: Callable[[Caller], Any]) -> None:
        self.model, self.context = model, context
        self.tools: dict[str, AdoptedTool] = {}
        self._functions: dict[str, FunctionTool] = {}

    def take(self, agent: str, tool: FunctionTool, terms: Terms, toolset: str) -> None:
        """Adopts a tool. Raises Invalid."""
        if self._functions.get(tool.name) is tool:
            return
        if tool.name in self.tools:
            raise unsupported(f"Two tools are called {tool.name}.", "Give one of them another name.")
        act = _Acting(tool, self.context)
        self._functions[tool.name] = tool
        self.tools[tool.name] = adopted(
            tool_name(agent, tool.name, toolset), tool.name, act,
            schema=tool.params_json_schema, description=tool.description, terms=terms, timeout_s=tool.timeout_seconds,
        )  # fmt: skip

    def named(self, own: str) -> str:
        """Our name of a tool; another name, such as a hand-off's, stays."""
        tool = self.tools.get(own)
        return own if tool is None else tool.spec.name

    def owned(self, name: str) -> str:
        """The framework's name of a tool of ours."""
        return next((own for own, tool in self.tools.items() if tool.spec.name == name), name)


_SHOP: ContextVar[_Shop | None] = ContextVar("lichen_openai_agents", default=None)


class _Acting:
    """Does what a function tool does. What it raises is raised: an error function would hide that it may have acted."""

    def __init__(self, tool: FunctionTool, context: Callable[[Caller], Any]) -> None:
        self._name, self._invoke, self._context = tool.name, _plain(tool), context

    async def __call__(self, arguments: Mapping[str, Any], meta: CallMeta) -> Any:
        text = dump(dict(arguments)).decode()
        made = self._context(Caller.of_call(meta))
        told = ToolContext(made, tool_name=self._name, tool_call_id=str(meta.call), tool_arguments=text)
        return await self._invoke(told, text)


def _plain(tool: FunctionTool) -> Invoking:
    """What a tool does, without its error function and without our gate."""
    invoke: Any = tool.on_invoke_tool
    inner = getattr(invoke, "_invoke_tool_impl", invoke)  # the SDK tells it nowhere else
    return cast("Invoking", getattr(inner, _PLAIN, inner))


_PLAIN: Final = "__lichen_plain__"


def _gate(agent: SdkAgent[Any]) -> None:
    """Puts the agent's tools and model behind the gate. What stands there already is left."""
    for tool in agent.tools:
        if isinstance(tool, FunctionTool) and not _inner(tool):
            _gate_tool(tool)
    if not isinstance(agent.model, _Gated):
        agent.model = _Gated(agent.model)


def _gate_tool(tool: FunctionTool) -> None:
    plain = _plain(tool)
    if getattr(getattr(tool.on_invoke_tool, "_invoke_tool_impl", None), _PLAIN, None) is not None:
        return

    async def invoke(context: ToolContext[Any], text: str) -> Any:
        passage, shop = current(), _SHOP.get()
        ours = None if shop is None else shop.tools.get(tool.name)
        if passage is None or ours is None:
            return await plain(context, text)
        result = await passage.call(CallRequest(ours.spec.name, dump(parse(text.encode() or b"{}"))))
        if result.outcome == "ok":
            return msgspec.json.decode(result.data or b"null")
        if getattr(tool, "_use_default_failure_error_function", True):
            return outcome(result)  # its words say what happened; the SDK's own would not
        raise ToolFailed(outcome(result))

    vars(invoke).update(vars(plain))
    setattr(invoke, _PLAIN, plain)
    handled = with_function_tool_failure_error_handler(invoke, lambda tool, error, text: None)
    bind: Any = getattr(handled, "__agents_bind_function_tool__", None)
    tool.on_invoke_tool = handled if bind is None else bind(tool)


# -- models ------------------------------------------------------------------------------------------------------


def _model_name(model: str | Model | None) -> str:
    if isinstance(model, _Gated):
        return model.name
    if isinstance(model, Model):
        return f"{type(model).__module__.partition('.')[0]}:{getattr(model, 'model', type(model).__name__)}"
    provider, _, rest = (model or "default").rpartition("/")
    return f"{provider or 'openai'}:{rest}"


class _Gated(Model):
    """An agent's model, which is asked through the run; outside of one, directly."""

    def __init__(self, model: str | Model | None) -> None:
        self.name = _model_name(model)
        self._own = model
        self._provider = MultiProvider()

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff[Any, Any]],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: Any,
    ) -> ModelResponse:
        """The response, from the log or as the model gives it now."""

        async def ask() -> ModelResponse:
            return await self._model().get_response(
                system_instructions, input, model_settings, tools, output_schema, handoffs, tracing,
                previous_response_id=previous_response_id, conversation_id=conversation_id, prompt=prompt,
            )  # fmt: skip

        passage, shop = current(), _SHOP.get()
        if passage is None or shop is None:
            return await ask()
        named = shop.named
        request = requested(system_instructions, input, model_settings, tools, output_schema, handoffs, named)
        is_words = output_schema is None or output_schema.is_plain_text()
        if shop.model is not None:
            return responded(await passage.reply(shop.model, request, shown=is_words), shop.owned)

        async def streamed(deltas: Deltas) -> ModelResponse:
            events = self._model().stream_response(
                system_instructions, input, model_settings, tools, output_schema, handoffs, tracing,
                previous_response_id=previous_response_id, conversation_id=conversation_id, prompt=prompt,
            )  # fmt: skip
            return await whole(events, deltas)

        async def reply(deltas: Deltas | None) -> ModelReply:
            return kept(self.name, await (ask() if deltas is None else streamed(deltas)), named)

        is_shown = is_words and streams(self._model())
        return given_back(await passage.reply(Native(self.name, reply), request, shown=is_shown))

    def stream_response(self, *args: Any, **named: Any) -> AsyncIterator[Any]:
        """As the model itself: our loop does not stream."""
        return self._model().stream_response(*args, **named)

    def _model(self) -> Model:
        return self._own if isinstance(self._own, Model) else self._provider.get_model(self._own)


# -- the loop ----------------------------------------------------------------------------------------------------


async def _play(chat: Chat, agent: SdkAgent[Any], shop: _Shop) -> Any:
    """Runs the agent on what the customer said; its final output."""
    token = _SHOP.set(shop)
    try:
        caller = caller_of(chat.scope, chat.actor, chat.run, chat.session, chat.attributes)
        with trace("lichen", disabled=True):  # which agents that run inside of it inherit
            ran = await Runner.run(
                agent,
                conversation(chat.earlier, chat.text),
                context=shop.context(caller),
                max_turns=TURNS_MAX,
                run_config=RunConfig(tracing_disabled=True),
            )
    except (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered) as error:
        message = f"The guardrail {error.guardrail_result.guardrail.get_name()} stopped the run."
        step = "Look at what was said to the agent, and at what the guardrail is for."
        raise Invalid(message, code="guardrail_tripped", next_step=step) from None
    finally:
        _SHOP.reset(token)
    if ran.interruptions:
        raise unsupported("The agent stopped to ask for an approval by itself.", "Let a policy ask with @approval.")
    return ran.final_output
