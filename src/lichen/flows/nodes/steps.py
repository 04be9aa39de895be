"""What a node of each kind may say to the walk, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from lichen.core.ports.plan import CallResult, WaitRequest
from lichen.core.words.wait import WaitOutcome
from lichen.flows.ir import Node, Slot
from lichen.flows.nodes.frames import Frame
from lichen.flows.text.reach import fields_of

Event = Literal["error", "timeout", "denied", "cancelled"]


class Done(NamedTuple):
    """The node is done. `says` go to the customer, in order; `status` is what its routes are told."""

    payload: Any
    status: str = "ok"
    says: tuple[str, ...] = ()


class Failed(NamedTuple):
    """The node failed: `code` is stable, `message` may be shown. `payload` is what it gave all the same.

    `is_foreign`: the code is the word of a component, which routes may name and records may not.
    """

    code: str
    message: str = ""
    event: Event = "error"
    payload: Any = None
    is_foreign: bool = False


def forbidden() -> Failed:
    """What becomes of a node or flow that rules of access do not let the run come to."""
    return Failed("access_forbidden", "Rules of access do not let this be come to.", "denied")


class Wait(NamedTuple):
    """The node waits for somebody. `says` goes to the customer first."""

    request: WaitRequest
    says: tuple[str, ...] = ()


class Invoke(NamedTuple):
    """The node wants its tool called with these arguments."""

    args: Any


class Enter(NamedTuple):
    """The node calls a flow, and is done when that flow is, or fails."""

    flow: str
    entry: Any


class Jump(NamedTuple):
    """The walk goes on at another node of this flow, or in another flow that takes this one's place. `most` bounds how
    often a plan jumps, where whoever jumps says so."""

    flow: str
    node: str
    entry: Any
    most: int | None = None


class Leave(NamedTuple):
    """The flow is over; this is what it gives."""

    payload: Any


class Respond(NamedTuple):
    """The flow is over, this is what it gives, and the text goes to the customer."""

    payload: Any
    text: str


class Fork(NamedTuple):
    """The node begins branches, `at_once` of them at a time, and is done when `need` of them are well: one at each of
    the `nodes`, or where there are `items`, one for each item at the only node.

    `collects`: one that fails only has no result, and the node is done when all of them are over. Else the one that
    leaves too few fails the node.
    """

    nodes: tuple[str, ...]
    items: tuple[Any, ...] | None
    at_once: int
    need: int
    collects: bool = False

    @property
    def branches(self) -> int:
        """How many branches there are."""
        return len(self.nodes if self.items is None else self.items)


Step = Done | Failed | Wait | Invoke | Enter | Jump | Leave | Respond | Fork


class Heard(NamedTuple):
    """How a wait of the node ended, and what was said."""

    outcome: WaitOutcome
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """What was said, as words."""
        text = self.body.get("text", "")
        return text if isinstance(text, str) else ""


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a node: its payload filled in, and the frame it may change."""

    node: Node
    payload: Any
    frame: Frame
    target: str  # the tool or flow that the node is about
    slots: tuple[Slot, ...]
    has_session: bool
    later: Callable[[], str]  # takes what was said while the flow was at something else
    language: str = ""  # of the session

    def fields(self) -> dict[str, Any]:
        """The payload as an object: empty when it is none."""
        return fields_of(self.payload)


class Kind(NamedTuple):
    """A kind of node. `heard` follows a Wait, `ended` an Invoke."""

    begin: Callable[[Visit], Step]
    heard: Callable[[Visit, Heard], Step] | None = None
    ended: Callable[[Visit, CallResult], Step] | None = None
    target: Literal["", "tool", "agent", "flow"] = ""
    is_silent: bool = False  # what it gives is never said to the customer
    also: Callable[[str], str] | None = None  # the name that its routes may have for a code of its failure besides
