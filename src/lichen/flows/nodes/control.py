"""What a component says of where its flow goes on, in `greentic_control` of its answer: `jump` and `respond`.

`{v: 1, action: "jump", flow, node?, payload?, max_redirects?}` goes on in another flow, or at another node of this one;
flow and node may stand in a `target`. `{v: 1, action: "respond", text?, needs_user?}` ends the flow with a text. Any
other action means nothing, as upstream; what is none of these forms fails the node.

A component leads only where its flow may go by itself: to flows that a `flow.call` or `flow.goto` of it names.

Source: greentic-runner, engine (`parse_component_control`, `NodeControl`); component-pack2flow (`target`).
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from lichen.flows.nodes.steps import Done, Failed, Jump, Respond, Step
from lichen.flows.syntax.naming import agent_names
from lichen.flows.text.reach import fields_of

CONTROL: Final = "greentic_control"
INVALID: Final = "control_invalid"
VERSION: Final = 1
TEXT_CHARS_MAX: Final = 64_000


def controlled(done: Done, flow: str, flows: Container[str], entry: Any) -> Step:
    """Where the component of a node of `flow` leads, or that it is done. `flows` are those there are, `entry` is what
    this one was told, which a jump without a payload tells on."""
    fields = fields_of(done.payload)
    if CONTROL not in fields:
        return done
    control = fields_of(fields[CONTROL])
    if not isinstance(control.get("action"), str):
        return Failed(INVALID, "What the component says of where to go has no action.")
    if control.get("v") != VERSION or control["v"] is True:
        return Failed(INVALID, "What the component says of where to go is of another version.")
    match control["action"]:
        case "jump":
            return _jump(control, flow, flows, entry)
        case "respond":
            return _respond(control, done)
        case _:
            return done


def _jump(control: dict[str, Any], flow: str, flows: Container[str], entry: Any) -> Step:
    target = fields_of(control.get("target"))
    wanted, node = _word(control.get("flow", target.get("flow"))), _word(control.get("node", target.get("node")))
    if not wanted:
        return Failed(INVALID, "The component jumps, and names no flow.")
    names = (wanted, *agent_names(wanted, flow.partition(".")[0]))
    found = next((name for name in names if name in flows), None)
    if found is None:
        return Failed("flow_unknown", "The component jumps to a flow that this one does not lead to.")
    most = control.get("max_redirects")
    told = control.get("payload", control.get("params"))
    is_bounded = isinstance(most, int) and not isinstance(most, bool) and most >= 0
    return Jump(found, node, entry if told is None else told, most if is_bounded else None)


def _respond(control: dict[str, Any], done: Done) -> Step:
    if control.get("card_cbor") is not None:
        return Failed("control_unsupported", "The component responds with a card in CBOR, which is not shown here.")
    text = control.get("text")
    if text is not None and not isinstance(text, str):
        return Failed(INVALID, "The component responds with what is no text.")
    response = {"text": text, "needs_user": control.get("needs_user") is True}
    return Respond({**fields_of(done.payload), **response}, (text or "")[:TEXT_CHARS_MAX])


def _word(said: Any) -> str:
    return said.strip() if isinstance(said, str) else ""
