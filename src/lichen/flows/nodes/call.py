"""Nodes that need the world: tools, MCP tools, agents. Each is a call of the run, and passes the gate as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lichen.core.ports.call import Outcome
from lichen.core.ports.plan import CallResult
from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.say import keep
from lichen.flows.nodes.steps import Done, Event, Failed, Invoke, Kind, Step, Visit
from lichen.flows.text.reach import fields_of

_EVENTS: Final[Mapping[Outcome, Event]] = {"denied": "denied", "timed_out": "timeout", "cancelled": "cancelled"}
_NAMING: Final = ("component", "component_ref", "operation", "op")
MCP_TOOL_ERROR: Final = "MCP_TOOL_ERROR"
MCP_ROUTER_ERROR: Final = "MCP_ROUTER_ERROR"
MCP_CONFIG_ERROR: Final = "MCP_CONFIG_ERROR"
_CONFIG: Final = frozenset(
    ("tool_unavailable", "version_gone", "arguments_invalid", "invalid_call", "sign_in_needed", "credential_refused",
     "delegation_refused", "server_unproved", "asks_not_allowed")
)  # fmt: skip
_SAID: Final = frozenset(("component_failed", "component_asks", "component_error"))
_ROUTER: Final = frozenset(("unavailable", "server_error", "lease_lost", "result_unreadable", "tool_circuit_open"))
_ENVELOPE: Final = frozenset(("input", "config"))


def _tool(visit: Visit) -> Step:
    """The payload as the tool's arguments: `arguments`, or all of it but what names the tool.

    Where nothing but `input` and `config` stands beside those names, the arguments are what `input` holds, and the
    configuration one of them.
    """
    fields = visit.fields()
    if visit.payload and not fields:
        return Failed("arguments_invalid", "The arguments of a tool are an object.")
    given = fields.get("arguments")
    if isinstance(given, Mapping):
        return Invoke(given)
    if visit.node.component.id in ("component.exec", "mcp.exec") and {"component", "component_ref"} & fields.keys():
        fields = {name: value for name, value in fields.items() if name not in _NAMING}
        if "input" in fields and fields.keys() <= _ENVELOPE:
            return _unwrapped(fields["input"], fields.get("config"))
    return Invoke(fields)


def _unwrapped(input: Any, config: Any) -> Step:
    if not isinstance(input, Mapping) and input not in (None, ""):
        return Failed("arguments_invalid", "The `input` of a component is an object.")
    return Invoke({**fields_of(input), **({"config": config} if config else {})})


def _mcp(visit: Visit) -> Step:
    """The tool of a server: `server`, `tool`, `arguments`, or `component`, `action`, `args` as `mcp.exec` has them."""
    fields = visit.fields()
    return Invoke(fields.get("arguments", fields.get("args", {})))


def _mcp_ended(visit: Visit, result: CallResult) -> Step:
    """As a tool; `output` of the payload names a variable that keeps the result as well.

    A result that is only an `error` is a failure, as servers behind an MCP router report one.
    """
    step = _ended(visit, result)
    if isinstance(step, Done) and "result" not in (fields := fields_of(step.payload)) and fields.get("error"):
        step = _reported(step.payload, fields["error"], "mcp_tool_error")
    name = visit.fields().get("output")
    if isinstance(step, Done) and isinstance(name, str) and name:
        keep(visit.frame.vars, name, step.payload)
    return step


def mcp_code(code: str) -> str:
    """What upstream calls a failure of an `mcp` node: the tool says so, the server or router does not answer, or what
    the node says cannot be asked."""
    if code in _CONFIG:
        return MCP_CONFIG_ERROR
    is_stopped = code.startswith("component_") and code not in _SAID
    return MCP_ROUTER_ERROR if code in _ROUTER or is_stopped else MCP_TOOL_ERROR


def _agent(visit: Visit) -> Step:
    """What the agent is asked: `message` of the payload, or what the flow was told. `arguments` go as they are."""
    fields = visit.fields()
    if isinstance(fields.get("arguments"), Mapping):
        return Invoke(fields["arguments"])
    asked = (fields.get(name) for name in ("message", "text", "input", "prompt", "user_message"))
    own = visit.payload if isinstance(visit.payload, str) else next((text for text in asked if text), "")
    message = own if isinstance(own, str) else msgspec.json.encode(own).decode()
    return Invoke({"message": message or text_of(visit.frame.entry)})


def _agent_ended(visit: Visit, result: CallResult) -> Step:
    """The agent's answer as the node's text."""
    step = _ended(visit, result)
    if isinstance(step, Done):
        answer = fields_of(step.payload).get("answer", "")
        return Done({"text": answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()})
    return step


def _ended(visit: Visit, result: CallResult) -> Step:
    if result.outcome != "ok":
        event: Event = "timeout" if result.code == "timeout" else _EVENTS.get(result.outcome, "error")
        code = result.foreign_code or result.code or result.outcome
        return Failed(code, result.reason, event, is_foreign=bool(result.foreign_code))
    try:
        found: Any = msgspec.json.decode(result.data) if result.data else {}
    except (msgspec.DecodeError, RecursionError):
        return Failed("result_unreadable", "The tool's result is no JSON.")
    fields = fields_of(found)
    return _reported(found, fields.get("error"), "component_error") if fields.get("ok") is False else Done(found)


def _reported(payload: Any, error: Any, usual: str) -> Failed:
    """The failure that a component reports in its result: `{ok: false, error: {code, message}}`."""
    fields = fields_of(error)
    code, message = fields.get("code"), fields.get("message", error if isinstance(error, str) else "")
    named = code if isinstance(code, str) and code else usual
    return Failed(named, message if isinstance(message, str) else "", "error", payload, is_foreign=True)


TOOL = Kind(_tool, ended=_ended, target="tool")
MCP = Kind(_mcp, ended=_mcp_ended, target="tool", also=mcp_code)
AGENT = Kind(_agent, ended=_agent_ended, target="agent")
