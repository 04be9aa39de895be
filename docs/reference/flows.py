"""The nodes of `.ygtc` flows, each with an example that loads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from docs.reference.markdown import block, table
from lichen.flows.ir import Flow
from lichen.flows.nodes import kinds as read
from lichen.flows.syntax import schema

_KINDS = read._KINDS  # pyright: ignore[reportPrivateUsage] - the table of the built-in operations


class Shown(NamedTuple):
    """What nodes of these operations do, and one of them as it is written."""

    title: str
    operations: tuple[str, ...]
    says: str
    example: str


SHOWN: tuple[Shown, ...] = (
    Shown(
        "Say something at the end",
        ("text", "template", "render_text", "templating.handlebars"),
        "Makes a text. It is sent when the node routes to `reply`, or when the flow ends with it.",
        'bye:\n  text: "Thank you, {{vars.name}}."\n  routing: reply\n',
    ),
    Shown(
        "Say something now",
        ("messaging.emit", "emit.NAME"),
        "Sends its text at once and goes on. `emit.log` keeps it for operators in place of that.",
        'note:\n  emit.response: "One moment, please."\n  routing: [{ to: bye }]\n',
    ),
    Shown(
        "Keep values",
        ("var.set",),
        "Keeps values under `vars`.",
        'keep:\n  var.set: { name: "{{entry.text}}", tries: 1 }\n  routing: [{ to: bye }]\n',
    ),
    Shown(
        "Ask for what is missing",
        ("slots", "questions", "qa.process"),
        "Takes from the message what it can, then asks for the rest, one thing at a time; `attempts` times each, three "
        "if left out. What it knows is under `slots`. Without `fields` it asks for the required slots of the flow.",
        "ask:\n  questions:\n    fields:\n      - { id: city, prompt: Which city?, type: string }\n"
        "      - { id: size, prompt: How large?, type: enum, options: [small, large] }\n"
        "  timeout: 3600\n  routing:\n    - { status: on_error, to: bye }\n    - { to: bye }\n",
    ),
    Shown(
        "Wait for a message",
        ("session.wait",),
        "Says `prompt` and waits for the next message. Its `text` is the node's output.",
        "hear:\n  session.wait: { prompt: What may I do for you?, timeout_s: 600 }\n"
        "  routing:\n    - { status: on_error, to: bye }\n    - { to: bye }\n",
    ),
    Shown(
        "Have a person agree",
        ("approval.call",),
        "Opens an approval. The person sees the payload; the customer is told `public` and may go on talking.",
        "agree:\n  approval.call: { role: operator, public: I am having it checked., wish: '{{entry.text}}' }\n"
        "  routing:\n    - { status: approved, to: bye }\n    - { to: bye }\n",
    ),
    Shown(
        "Hand over to a person",
        ("session.handover",),
        "A person joins and writes in the chat until they end it; what they write last is the node's text. The "
        "customer is told `public` meanwhile.",
        "person:\n  session.handover: { public: I have asked a colleague to join us. }\n"
        "  routing:\n    - { status: on_error, to: bye }\n    - { reply: true }\n",
    ),
    Shown(
        "Call a tool of an MCP server",
        ("mcp", "mcp.exec"),
        "The tool `SERVER.TOOL`, which this runtime must be given as a tool of that name. `output` keeps the result "
        "in a variable, too.",
        "find:\n  mcp: { server: orders, tool: lookup, arguments: { order_id: '1042' }, output: order }\n"
        "  routing: [{ to: bye }]\n",
    ),
    Shown(
        "Ask an agent",
        ("dw.agent", "agent"),
        "A run of its own, decided by policy like every call. Its answer is the node's `text`.",
        "support:\n  dw.agent: { agent: shop.support, message: '{{entry.text}}' }\n"
        "  routing:\n    - { status: on_error, to: bye }\n    - { reply: true }\n",
    ),
    Shown(
        "Run another flow",
        ("flow.call",),
        "Runs a flow of this project inside this run and comes back with its output.",
        "check:\n  flow.call: { flow_id: shop.check, input: { text: '{{entry.text}}' } }\n  routing: [{ to: bye }]\n",
    ),
    Shown(
        "Go to a node or a flow",
        ("flow.goto",),
        "Goes on at a node of this flow, or in another one, which takes this one's place.",
        "again:\n  flow.goto: { flow_id: shop.other }\n",
    ),
    Shown(
        "Do several things at once",
        ("flow.parallel",),
        "Begins a branch at each of these nodes and goes on when all are over, with `results` in their order.",
        "both:\n  flow.parallel: { branches: [stock, price] }\n  routing: [{ to: bye }]\n"
        "stock:\n  text: three left\nprice:\n  text: 80 USD each\n",
    ),
    Shown(
        "Do something for each item",
        ("flow.each",),
        "Begins a branch at `do` for each item of a list, one after the other or `at_once` so many.",
        "every:\n  flow.each: { items: '{{entry.items}}', do: name, at_once: 4 }\n  routing: [{ to: bye }]\n"
        "name:\n  text: 'Item {{item.sku}}'\n",
    ),
    Shown(
        "End a called flow",
        ("flow.return",),
        "Ends this flow with the payload as its output.",
        "done:\n  flow.return: { found: true }\n",
    ),
)

FILE: Mapping[str, str] = {
    "id": "Its name: lower-case words joined by dots, or anything that is [made into one](#names-that-do-not-fit).",
    "type": "`messaging` for conversations.",
    "schema_version": "`2`; `1` is read in a tolerant way.",
    "title": "For people.",
    "description": "What it is for; models that may call it read this.",
    "tags": "For whoever sorts flows.",
    "start": "The node it begins at.",
    "entrypoints": "Further nodes it may begin at, by name.",
    "parameters": "Values of its own, read as `parameters.NAME`.",
    "vars_init": "Variables it begins with.",
    "slot_schema": "What has to be known: a list of slots.",
    "nodes": "The nodes, by id.",
    "meta": "For other programs.",
}

SLOT: Mapping[str, str] = {
    "name": "Its name, read as `slots.NAME`.",
    "slot_type": "`string` (with a `pattern`), `enum`, `number`, `date` or `boolean`.",
    "pattern": "The first group, or the whole match, is the value.",
    "required": "Whether it is asked for.",
    "enum_values": "The values of an `enum`.",
    "default_value": "What it is when somebody leaves it out.",
}

NODE: Mapping[str, str] = {
    "routing": "Where it leads: `reply` (say it and end), `out` (end), or a list of routes.",
    "when": "The node is skipped unless this condition holds.",
    "retry": "`{ attempts: 3, backoff_ms: 200 }`: how often a tool, agent or flow that failed is tried again.",
    "timeout": "Seconds that a tool, an agent, a flow or a wait may take.",
    "output": "A mapping that makes the node's output of its result.",
    "vars_out": "Variables that keep parts of the result.",
    "redaction": "`fields` of the result that nobody sees.",
    "operation": "What of the component, when it has several.",
    "pack_alias": "Kept for other programs.",
    "annotations": "Kept for other programs.",
    "meta": "Kept for other programs.",
    "telemetry": "Kept for other programs.",
}

ROUTE: Mapping[str, str] = {
    "to": "The node it leads to.",
    "out": "`true`: the flow ends.",
    "reply": "`true`: the node's text goes to the customer, and the flow ends.",
    "status": "Taken only for this status.",
    "condition": "Taken only if this holds.",
}


def keys_of(schema: Mapping[str, Any], said: Mapping[str, str]) -> str:
    """The keys that a part of a flow may have."""
    if set(schema["properties"]) != set(said):
        raise ValueError(f"say what {set(schema['properties']) ^ set(said)} of flows mean in docs/reference/flows.py")
    return table(("key", "what it says"), ((f"`{name}`", text) for name, text in said.items()))


def file() -> str:
    """The keys of the file."""
    return keys_of(schema.SCHEMA, FILE)


def slot() -> str:
    """The keys of a slot."""
    return keys_of(schema.SLOT, SLOT)


def node() -> str:
    """The keys of every node."""
    return keys_of(schema.NODE, NODE)


def route() -> str:
    """The keys of a route."""
    return keys_of(schema.ROUTE, ROUTE)


def nodes() -> str:
    """Every kind of node."""
    named = {operation for shown in SHOWN for operation in shown.operations}
    if named != {*_KINDS, "emit.NAME"}:
        raise ValueError(f"show {named ^ {*_KINDS, 'emit.NAME'}} in docs/reference/flows.py")
    return "\n\n".join(_shown(shown) for shown in SHOWN)


def _shown(shown: Shown) -> str:
    operations = ", ".join(f"`{name}`" for name in shown.operations)
    return f"### {shown.title}\n\n{operations}\n\n{shown.says}\n\n{block('yaml', shown.example)}"


def flow_of(shown: Shown) -> str:
    """A whole flow around the example."""
    first = shown.example.partition(":")[0]
    bye = "" if "to: bye" not in shown.example else '  bye:\n    text: "Goodbye."\n    routing: reply\n'
    lines = "".join(f"  {line}\n" for line in shown.example.splitlines())
    return f"id: docs.example\ntype: messaging\nschema_version: 2\nstart: {first}\nnodes:\n{lines}{bye}"


def first_operation(flow: Flow) -> str:
    """What the first node of a flow does."""
    return read.operation_of(flow.nodes[flow.start])
