"""Code that asked for something else than it did before: where, and both sides."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lichen.agents.replay.entries import Called, Failed, Outline, Questioned, Replied, Said
from lichen.agents.replay.tape import Recorded, asked_of
from lichen.agents.replay.wanted import Wanted, WantedCall
from lichen.core.words.errors import LichenError
from lichen.core.words.failure import Failure

SIDE_BYTES_MAX: Final = 1_000  # of the arguments that operators are shown of each side


class Diverged(LichenError):
    """The code of an agent did not ask again for what it had asked for: it depends on something that is not recorded.

    The message names the step and what kinds of things differ; `failure` has both sides, for operators only.
    """

    code = "replay_diverged"
    next_step = "Take time and chance from `chat.now()` and `chat.random`, and read the world in tools only."

    def __init__(self, recorded: Recorded, asked: Wanted | None) -> None:
        super().__init__(f"Step {recorded.number}: {_kind(recorded)} was recorded, and now {_kind_of(asked)}.")
        self.recorded = recorded.number
        self.failure = Failure(
            type(self).__name__, f"{self.message}{differing(recorded, asked)}\n{sides(recorded, asked)}"
        )


def differing(recorded: Recorded, asked: Wanted | None) -> str:
    """The arguments in which two calls of one tool are not the same, as the end of a sentence about them."""
    if not isinstance(asked, WantedCall) or recorded.call is None or recorded.call.tool != asked.call.tool:
        return ""
    before, now = _arguments(recorded.call.args), _arguments(asked.call.args)
    names = sorted(name for name in before.keys() | now.keys() if before.get(name, ...) != now.get(name, ...))
    return f" Other arguments: {shortened(', '.join(names))}." if names else ""


def _arguments(args: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(args, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def sides(recorded: Recorded, asked: Wanted | None) -> str:
    """What was recorded and what is asked for, with contents."""
    now = "nothing more: the code ended" if asked is None else asked.told
    told = f"recorded: {_told(recorded)}\nasked for: {now}"
    outline, other = asked_of(recorded), None if asked is None else asked.outline
    return told if outline is None or other is None else f"{told}\ndifferent: {', '.join(_parts(outline, other))}"


def _kind(recorded: Recorded) -> str:
    match recorded.entry:
        case Replied(asked=outline) | Failed(asked=outline):
            return f"a request to {outline.model}"
        case Called(tool=tool):
            return f"a call of {tool}"
        case Questioned():
            return "a question"
        case Said():
            return "a message"


def _kind_of(asked: Wanted | None) -> str:
    return "the code ends before it" if asked is None else f"the code asks for {asked.kind} instead"


def _told(recorded: Recorded) -> str:
    entry = recorded.entry
    match entry:
        case Replied() | Failed():
            return told_of(entry.asked)
        case Called():
            args = b"{}" if recorded.call is None else recorded.call.args
            return f"{entry.tool}({shortened(args.decode('utf-8', 'replace'))})"
        case Questioned():
            return "a question, which stands in the wait that it opened"
        case Said():
            return "a message, which stands in its plan"


def told_of(outline: Outline) -> str:
    """A request to a model, as operators compare it with another."""
    return f"{outline.model} with {outline.count} messages, the last: {outline.end}"


def shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= SIDE_BYTES_MAX else f"{text[:SIDE_BYTES_MAX]}…"


def _parts(recorded: Outline, asked: Outline) -> list[str]:
    """The parts of a request in which two are not the same."""
    names = ("model", "system", "tools", "settings", "messages")
    return [name for name in names if getattr(recorded, name) != getattr(asked, name)] or ["nothing"]
