"""Results that come in pages: a planner goes on with an action without arguments, and never sees a cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.agent import AgentDef
from lichen.core.ports.call import InvalidArguments, Issue, Tool, ToolSpec
from lichen.core.ports.plan import CallRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import CallId, RunId, ToolName
from lichen.engine.act import Act

PREFIX: Final = "lichen.continue_"
CHAINS_MAX: Final = 16  # that are offered at once, the latest ones
_NAME_CHARS: Final = 24
_EMPTY: Final[Mapping[str, Any]] = {"type": "object", "properties": {}, "additionalProperties": False}


class Chain(NamedTuple):
    """A result that goes on: the tool and arguments of its last page, and where the next one begins."""

    tool: ToolName
    args: bytes
    cursor: str
    returned: int


Chains = Mapping[ToolName, Chain]
"""Those of a run that go on, by the name of the action that does."""


def chains(act: Act, agent: AgentDef) -> Chains:
    """The results of this run that go on. Looks only where the agent has tools that give pages."""
    paging = {name: tool.spec for name, tool in agent.tools.items() if tool.spec.pages is not None}
    if not paging:
        return {}
    found: dict[ToolName, Chain] = {}
    planned: dict[CallId, int] = {}
    for event in act.journal.events(act.stream):
        match event.control:
            case e.Planned(calls=calls, error=""):
                planned |= {call.id: event.n for call in calls if call.tool in paging}
            case e.CallFinished(call=call, outcome="ok") if call in planned:
                name, chain = _page(act, paging, call, planned[call], event.n)
                found.pop(name, None)
                if chain is not None:
                    found[name] = chain
            case _:
                pass
    return dict([*found.items()][-CHAINS_MAX:])


def _page(
    act: Act, paging: Mapping[ToolName, ToolSpec], call: CallId, planned_n: int, n: int
) -> tuple[ToolName, Chain | None]:
    """What one page is of, and how it goes on; None after the last one."""
    asked, given = act.contents(planned_n), act.contents(n)
    control = next(each for each in _calls(act, planned_n) if each.id == call)
    spec = paging[control.tool]
    result = _object(given.get("result", b""))
    cursor = result.get(spec.pages.next) if spec.pages is not None else None
    name = name_of(act.state.id, call, asked)
    if not result.get("truncated") or not isinstance(cursor, str) or not cursor:
        return name, None
    return name, Chain(spec.name, asked.get(f"{call}/args", b"{}"), cursor, int(result.get("returned", 0)))


def _calls(act: Act, n: int) -> Sequence[e.PlannedCall]:
    control = act.journal.events(act.stream, n, 1)[0].control
    return control.calls if isinstance(control, e.Planned) else ()


def name_of(run: RunId, call: CallId, asked: Mapping[str, bytes]) -> ToolName:
    """The action that goes on with the result of a call: the same for all pages of what one call began."""
    named = asked.get(f"{call}/tool", b"").decode()
    if named.startswith(PREFIX):
        return ToolName(named)
    return ToolName(PREFIX + hashlib.sha256(f"{run}/{call}".encode()).hexdigest()[:_NAME_CHARS])


def offered(agent: AgentDef, live: Chains) -> tuple[ToolSpec, ...]:
    """What a planner may call: tools without their cursors, and an action for each result that goes on."""
    own = tuple([_without_cursor(tool.spec) for tool in agent.tools.values()])
    return (*own, *(_action(agent, name, chain) for name, chain in live.items()))


def _action(agent: AgentDef, name: ToolName, chain: Chain) -> ToolSpec:
    spec = agent.tools[chain.tool].spec
    said = f"The next page of {chain.tool}, after the {chain.returned} it gave last. It takes no arguments."
    return msgspec.structs.replace(spec, name=name, description=said, input_schema=_EMPTY, pages=None, example=None)


def _without_cursor(spec: ToolSpec) -> ToolSpec:
    if spec.pages is None:
        return spec
    properties = cast("dict[str, Any]", spec.input_schema.get("properties", {}))
    kept = {name: field for name, field in properties.items() if name != spec.pages.cursor}
    return msgspec.structs.replace(spec, input_schema={**spec.input_schema, "properties": kept})


def continued(request: CallRequest, live: Chains, tools: Mapping[ToolName, Tool]) -> CallRequest:
    """The call that an action to go on stands for; any other as it is."""
    chain = live.get(request.tool)
    pages = tools[chain.tool].spec.pages if chain is not None else None
    if chain is None or pages is None:
        return request
    args = msgspec.json.encode({**_object(chain.args), pages.cursor: chain.cursor})
    return msgspec.structs.replace(request, tool=chain.tool, args=args)


def check_cursor(asked: CallRequest, live: Chains, spec: ToolSpec) -> None:
    """Raises InvalidArguments for a call that names a cursor itself, or an action to go on with arguments."""
    given = _object(asked.args)
    if asked.tool in live and given:
        raise InvalidArguments((Issue("", "unknown_field", "This action takes no arguments."),))
    if asked.tool not in live and spec.pages is not None and given.get(spec.pages.cursor) is not None:
        raise InvalidArguments((Issue(f"/{spec.pages.cursor}", "unknown_field", "is not a field of this tool."),))


def check_page(spec: ToolSpec, asked: bytes, given: bytes) -> None:
    """Raises Invalid (`cursor_unchanged`) for a page that goes on where it began: nobody would ever come to its end."""
    result = _object(given) if spec.pages is not None else {}
    if spec.pages is None or not result.get("truncated"):
        return
    cursor = result.get(spec.pages.next)
    if cursor is not None and cursor == _object(asked).get(spec.pages.cursor):
        step = "Give the cursor of what comes after the page, or truncated=False."
        raise Invalid("The page goes on where it began.", code="cursor_unchanged", next_step=step)


def shown_result(spec: ToolSpec, data: bytes) -> bytes:
    """A page as planners read it."""
    return data if spec.pages is None else _without(data, spec.pages.next)


def shown_args(spec: ToolSpec, args: bytes) -> bytes:
    """The arguments of a page as planners read them."""
    return args if spec.pages is None else _without(args, spec.pages.cursor)


def bounds_note(spec: ToolSpec, name: ToolName | None, data: bytes) -> str:
    """What a model is reminded of beside a result that was cut off; empty for a whole one. `name` is the action that
    goes on, None where there is none: no tool may be called next."""
    result = _object(data) if spec.pages is not None else {}
    if spec.pages is None or not result.get("truncated"):
        return ""
    total, returned = result.get("total"), result.get("returned")
    count = f"{returned} of {total}" if isinstance(total, int) else f"{returned}"
    if name is None:
        return f"Only {count} were returned. Say so where it matters."
    if isinstance(result.get(spec.pages.next), str):
        cut = "This page is empty and not the last one." if returned == 0 else f"Only {count} were returned."
        return f"{cut} For the next page call {name} without arguments."
    return f"Only {count} were returned. Narrow the request to see others."


def _without(data: bytes, name: str) -> bytes:
    value = _object(data)
    if name not in value:
        return data
    return msgspec.json.encode({key: each for key, each in value.items() if key != name})


def _object(data: bytes) -> dict[str, Any]:
    try:
        value: object = msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
