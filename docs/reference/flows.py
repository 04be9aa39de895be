"""The nodes of `.ygtc` flows, each with an example that loads."""

from __future__ import annotations

from typing import NamedTuple

from docs.reference.markdown import block
from lichen.flows import nodes as read
from lichen.flows.ir import Flow

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
        "End a called flow",
        ("flow.return",),
        "Ends this flow with the payload as its output.",
        "done:\n  flow.return: { found: true }\n",
    ),
)


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
