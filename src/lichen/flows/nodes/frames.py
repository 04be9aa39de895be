"""Where a run stands in its flows: what a planner is handed back, and all it knows. Linear in nodes, never history."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lichen.core.ports.plan import STATE_BYTES_MAX

FRAMES_MAX: Final = 8  # flows that call each other


class Output(msgspec.Struct, array_like=True, omit_defaults=True):
    """What a node gave last. `status` is `ok`, or what its routes were told; `error` is set where it failed."""

    payload: Any = None
    status: str = "ok"
    code: str = ""
    message: str = ""
    is_foreign: bool = False  # the code is a component's own word, which no record may hold in the clear
    input: Any = None  # what the node was given, where the flow reads that

    @property
    def ok(self) -> bool:
        """Whether it did what it should."""
        return not self.code


class Frame(msgspec.Struct, array_like=True):
    """One flow under way. `at` is the node it is at; `local` is that node's own, until it is left.

    `parked` holds while the node is done and its routes wait for a message that fits one of them.
    """

    flow: str
    at: str
    entry: dict[str, Any]
    nodes: dict[str, Output] = {}
    vars: dict[str, Any] = {}
    slots: dict[str, Any] = {}
    prev: str = ""
    local: dict[str, Any] = {}
    parked: int = 0
    said: bool = False  # whether the node's text went to the customer already
    latest: dict[str, Any] = {}  # what came in since this flow began
    due_us: int = 0  # when the time of the node that called this flow is over; 0 for never
    is_fixed: bool = False  # something was done or said that is not done again

    def go(self, node: str) -> None:
        """Stands at `node` from now on."""
        self.at, self.local, self.parked, self.said = node, {}, 0, False


class Progress(msgspec.Struct, array_like=True):
    """The frames, the one that is walked last. `later` is what was said meanwhile."""

    frames: list[Frame]
    later: str = ""

    def hear(self, body: dict[str, Any]) -> None:
        """Something came in: every flow under way has it for its input."""
        for frame in self.frames:
            frame.latest = body

    def fix(self) -> None:
        """Something is done or said that is not done again: no flow under way is tried again."""
        for frame in self.frames:
            frame.is_fixed = True


_DECODER = msgspec.msgpack.Decoder(Progress)


def encode(progress: Progress) -> bytes | None:
    """The progress as a planner's state, or None when it does not fit into one."""
    try:
        data = msgspec.msgpack.encode(progress)
    except (OverflowError, RecursionError, ValueError):
        return None
    return data if len(data) <= STATE_BYTES_MAX else None


def decode(state: bytes) -> Progress | None:
    """The progress in `state`, or None when there is none that can be read."""
    try:
        return _DECODER.decode(state) if state else None
    except (msgspec.DecodeError, RecursionError):
        return None
