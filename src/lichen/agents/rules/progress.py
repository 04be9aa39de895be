"""Where a conversation stands between two plans: the state of a rule planner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from lichen.agents.rules.rulebook import IntentRule
from lichen.agents.rules.slots import SlotValue
from lichen.core.speech.template import TOO_LARGE, Reference, pick

VALUE_BYTES_MAX = 4 * 1024  # of one result field kept for later calls
VALUES_BYTES_MAX = 16 * 1024


class Progress(msgspec.Struct):
    """What is known and done. `made`: calls that were made or skipped. `large`: keys of result fields that were too
    large to be kept. `asked`: the slot of the open question, asked `asks` times. `questions`: asked in the whole run.
    `later`: what was written while a call was on its way. `language` is the one the intent was recognized in.
    `is_handed_over`: a person has the conversation. `unclear`: slots whose number could be any of these.
    """

    intent: str = ""
    slots: dict[str, SlotValue] = {}
    values: dict[str, Any] = {}
    large: list[str] = []
    made: Annotated[int, msgspec.Meta(ge=0)] = 0
    asked: str = ""
    asks: int = 0
    questions: int = 0
    later: str = ""
    language: str = ""
    is_handed_over: bool = False
    unclear: dict[str, tuple[str, ...]] = {}

    def lookup(self, reference: Reference) -> object:
        """A slot or a field of a result: its value, TOO_LARGE, or None when there is nothing."""
        if not reference.path and reference.name in self.slots:
            return self.slots[reference.name]
        return TOO_LARGE if reference.key in self.large else self.values.get(reference.key)

    def keep(self, intent: IntentRule, name: str, data: bytes) -> None:
        """Keeps those fields of the result `data` of call `name` that something of the intent needs."""
        tree = _decoded(data)
        fresh = {key: r for key, r in intent.kept.items() if r.name in (name, "result")}
        self.large = [key for key in self.large if key not in fresh]
        self.values |= {key: pick(tree, reference.path) for key, reference in fresh.items()}

    def encode(self) -> bytes:
        """The state. Result fields that pass the bounds stay behind."""
        kept = _bounded(self.values)
        large = [key for key, value in self.values.items() if value is not None and key not in kept]
        return msgspec.msgpack.encode(msgspec.structs.replace(self, values=kept, large=[*self.large, *large]))


def decode(state: bytes) -> Progress | None:
    """The progress in `state`, or None when there is none or it is of other rules."""
    try:
        return _PROGRESS.decode(state) if state else None
    except msgspec.DecodeError:
        return None


_PROGRESS = msgspec.msgpack.Decoder(Progress)
_JSON = msgspec.json.Decoder()


def _decoded(data: bytes) -> object:
    try:
        return _JSON.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _bounded(values: Mapping[str, Any]) -> dict[str, Any]:
    left = VALUES_BYTES_MAX
    kept: dict[str, Any] = {}
    for key, value in values.items():
        size = _size(value)
        if value is not None and size <= min(left, VALUE_BYTES_MAX):
            kept[key] = value
            left -= size
    return kept


def _size(value: Any) -> int:
    try:
        return len(msgspec.msgpack.encode(value))
    except (OverflowError, RecursionError):
        return VALUE_BYTES_MAX + 1  # an integer or a depth that a state cannot hold
