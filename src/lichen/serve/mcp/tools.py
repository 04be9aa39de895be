"""The tools: each agent and flow that the caller may begin with, and one that tells what came of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)

from lichen.core.reading.misfits import read_as
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import RunId, run_stream
from lichen.engine.pace.race import race
from lichen.runtime.views.agent import AgentOffer
from lichen.runtime.views.run import Outcome
from lichen.serve.http.limits import Slots
from lichen.serve.mcp import symbi
from lichen.serve.mcp.calls import NAME_CHARS_MAX, Call, Result, Said
from lichen.serve.mcp.reading.resources import rules_of
from lichen.serve.mcp.results import failed, output_schema, result
from lichen.serve.mcp.telling import Levels
from lichen.serve.mcp.visit import Context, House, Visit

CALLS_MAX, CALLS_MAX_EACH = 1_000, 32  # under way at once, in all and of one caller
FETCHES_MAX, FETCHES_MAX_EACH = 3, 1  # of those that have something fetched: each holds a thread
RESULT_WAIT_S_MAX: Final = 60.0
RUN_RESULT: Final = "run_result"
CODE: Final = "arguments_invalid"

_SAID: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "What to say to the agent."},
        "input": {"description": "JSON that goes with the words, if the agent takes any."},
        "conversation": {
            "type": "string",
            "maxLength": NAME_CHARS_MAX,
            "description": "A name under which the conversation goes on with the next call; without one it ends.",
        },
    },
    "required": ["text"],
    "additionalProperties": False,
}


class Awaiting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `run_result` takes."""

    run: Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)]
    wait_s: float = 0.0


class Tools:
    """Lists and calls. A tool that the caller may not use is not there for them."""

    def __init__(self, house: House, levels: Levels) -> None:
        self._house, self._levels = house, levels
        self._calls = Slots(most=CALLS_MAX, most_each=CALLS_MAX_EACH)
        self._fetches = Slots(most=FETCHES_MAX, most_each=FETCHES_MAX_EACH)

    async def list(self, ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        """All of them, in one page."""
        visit = self._house.visit(ctx)
        agents = visit.runtime.agents.offered(visit.scope, visit.actor)
        others = [symbi.INVOKE_TOOL, *(own.tool for own in symbi.TOOLS.values())] if _has_others(visit) else []
        return ListToolsResult(tools=[*map(_tool_of, agents), _RUN_RESULT, *others])

    async def call(self, ctx: Context, params: CallToolRequestParams) -> Result:
        """Calls one. Raises MCPError where there is none of this name."""
        visit = self._house.visit(ctx)
        try:
            if params.name == RUN_RESULT:
                return await _run_result(visit, _read(params, Awaiting))
            own = symbi.TOOLS.get(params.name) if _has_others(visit) else None
            name = f"{visit.scope.log_id()}/{visit.actor.auth}"
            if own is not None:
                return await self._own(visit, own, params, name)
            agent, said = self._wanted(visit, params)
            self._calls.check(name)
            with self._calls.holding(name):
                return await Call(ctx, visit, agent, hears=self._levels.hears(ctx)).made(said, params)
        except LichenError as error:
            return failed(error)

    async def _own(self, visit: Visit, own: symbi.Own, params: CallToolRequestParams, name: str) -> CallToolResult:
        """One of Symbiont's tools. Raises TooMany where the caller has something fetched already."""
        given = _read(params, own.takes)
        if own.tool.name != symbi.VERIFY:
            return await own.does(visit, given)
        self._fetches.check(name)
        with self._fetches.holding(name):
            return await own.does(visit, given)

    def _wanted(self, visit: Visit, params: CallToolRequestParams) -> tuple[AgentOffer, Said]:
        """Which agent is called, and what it is told."""
        if params.name != symbi.INVOKE or not _has_others(visit):
            return self._found(visit, params.name), _read(params, Said)
        invoked: symbi.Invoked = _read(params, symbi.Invoked)
        symbi.check_invoked(invoked)
        return self._found(visit, invoked.agent), Said(invoked.prompt)

    def _found(self, visit: Visit, name: str) -> AgentOffer:
        for agent in visit.runtime.agents.offered(visit.scope, visit.actor):
            if agent.name == name:
                return agent
        raise MCPError(INVALID_PARAMS, "There is no such tool for this caller.", {"code": "tool_unknown"})


def _has_others(visit: Visit) -> bool:
    return rules_of(visit).symbi_tools


def _read(params: CallToolRequestParams, kind: type[Any]) -> Any:
    """The arguments as `kind`. Raises Invalid (`arguments_invalid`) naming the field."""
    return read_as(lambda: msgspec.convert(params.arguments or {}, kind), CODE)


def _tool_of(agent: AgentOffer) -> Tool:
    return Tool(
        name=agent.name,
        description=agent.description or f"Talks to {agent.name}.",
        input_schema=dict(_SAID),
        output_schema=output_schema(agent.answers),
        annotations=ToolAnnotations(read_only_hint=agent.only_reads, open_world_hint=False),
    )


_RUN_RESULT: Final = Tool(
    name=RUN_RESULT,
    description="Tells how a run stands that an earlier call began, and what it answered.",
    input_schema={
        "type": "object",
        "properties": {
            "run": {"type": "string"},
            "wait_s": {"type": "number", "minimum": 0, "maximum": RESULT_WAIT_S_MAX},
        },
        "required": ["run"],
        "additionalProperties": False,
    },
    output_schema=output_schema({}),
    annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
)


async def _run_result(visit: Visit, wanted: Awaiting) -> CallToolResult:
    """How a run stands, once it rests or the time is up. Raises NotFound (`run_unknown`), Denied."""
    run, runs = RunId(wanted.run), visit.runtime.runs
    await visit.runtime.log(visit.scope).load(run_stream(run))
    wait_s = min(max(wanted.wait_s, 0.0), RESULT_WAIT_S_MAX)
    works = {"rest": runs.rest(visit.scope, run, visit.actor), "closing": visit.closing.wait()}
    await race(works, timeout_s=wait_s)
    outcome = runs.outcome(visit.scope, run, visit.actor)
    return result(_status(outcome), outcome.answer or "", outcome, run=wanted.run, has_value=outcome.value is not None)


def _status(outcome: Outcome) -> str:
    return "running" if outcome.status == "running" and outcome.moving else outcome.status
