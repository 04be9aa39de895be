"""Which kind a node is: a built-in operation by its name, and everything else a tool.

What upstream's runner (greentic-runner) does otherwise, and why not here:
- After a transient error it starts the flow again from its first node; here the failed node alone is tried again.
- It calls a flow that failed a success and tells the customer why; here the run has failed, and the tenant's words
  go out.
- `when`, `retry`, `timeout`, `err_map`, output mappings and the statuses of a Branch are accepted there, executed here.
- Its waits have no end, one for a customer and conversation, and none in a flow that was called; here they expire after
  a day if nothing else is said, each run has its own, and any frame may wait.
- Its output is the list of all it said; here what was said last is the answer, and nothing is said twice.
- `state.get` and `state.set` are the tenant's there; here the session's unless `scope` says `user` or `tenant`.
- The configuration of a component is an argument of its tool here, `config`.
- `flow.parallel` and `flow.each` are Lichen's own.
- A component jumps to any flow of its pack there; here to those that a `flow.call` or `flow.goto` of its flow names.
- `card` and other components are not built in; they are tools that the runtime must be given.
As upstream: `flow.goto` at most three times at once, and a node none of whose conditions fits waits for a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.flows.ir import Node
from lichen.flows.nodes import ask as nodes_ask
from lichen.flows.nodes import call as nodes_call
from lichen.flows.nodes import flow as nodes_flow
from lichen.flows.nodes import fork as nodes_fork
from lichen.flows.nodes import say as nodes_say
from lichen.flows.nodes.steps import Kind
from lichen.flows.syntax.shape import EXEC
from lichen.flows.text.reach import fields_of

AGENT_PREFIXES: Final = ("dw.agent.", "agent.")

_KINDS: Final[Mapping[str, Kind]] = {
    "text": nodes_say.TEXT,
    "template": nodes_say.TEXT,
    "render_text": nodes_say.TEXT,
    "templating.handlebars": nodes_say.TEXT,
    "messaging.emit": nodes_say.EMIT,
    "var.set": nodes_say.SET,
    "slots": nodes_ask.QUESTIONS,
    "questions": nodes_ask.QUESTIONS,
    "qa.process": nodes_ask.QUESTIONS,
    "session.wait": nodes_ask.WAIT,
    "session.handover": nodes_ask.HANDOVER,
    "approval.call": nodes_ask.APPROVAL,
    "mcp": nodes_call.MCP,
    "mcp.exec": nodes_call.MCP,
    "dw.agent": nodes_call.AGENT,
    "agent": nodes_call.AGENT,
    "flow.call": nodes_flow.CALL,
    "flow.goto": nodes_flow.GOTO,
    "flow.return": nodes_flow.RETURN,
    nodes_fork.PARALLEL_NODE: nodes_fork.PARALLEL,
    nodes_fork.EACH_NODE: nodes_fork.EACH,
}


def operation_of(node: Node) -> str:
    """What the node does, by name: a built-in operation, or the tool that does it."""
    component, named = node.component, fields_of(node.input)
    if component.id != EXEC:
        return f"{component.id}.{component.operation}" if component.operation else component.id
    if component.operation and "." in component.operation and kind_of(component.operation) is not nodes_call.TOOL:
        return component.operation
    own = "" if component.operation == EXEC else component.operation
    operation = own or named.get("operation") or named.get("op") or ""
    of = str(named.get("component") or named.get("component_ref") or "")
    if of and kind_of(of) is not nodes_call.TOOL:
        return of
    return f"{of}.{operation}" if of and operation else str(operation or of or "")


def payload_of(node: Node) -> Any:
    """What a node hands to its operation, as written: of a built-in operation that is named as a component, the part
    meant for it."""
    named = fields_of(node.input)
    of = named.get("component") or named.get("component_ref")
    if node.component.id == EXEC and isinstance(of, str) and kind_of(of) is not nodes_call.TOOL:
        return named.get("input", named.get("payload", {}))
    return node.input


def kind_of(operation: str) -> Kind:
    """The kind of an operation."""
    if operation in _KINDS:
        return _KINDS[operation]
    if operation.startswith("emit."):
        return nodes_say.EMIT
    return nodes_call.AGENT if operation.startswith(AGENT_PREFIXES) else nodes_call.TOOL


def named_in(node: Node, operation: str) -> Any:
    """What a node says of the tool, agent or flow it is about, as written; None when it names none."""
    payload = fields_of(node.input)
    match kind_of(operation).target:
        case "agent":
            named = next((operation.removeprefix(p) for p in AGENT_PREFIXES if operation.startswith(p)), "")
            return named or payload.get("agent") or payload.get("agent_id")
        case "flow":
            return payload.get("flow_id") or payload.get("flow")
        case _ if kind_of(operation) is nodes_call.MCP:
            server = payload.get("server") or payload.get("component", "")
            return f"{server}.{payload.get('tool') or payload.get('action', '')}"
        case _:
            return operation
