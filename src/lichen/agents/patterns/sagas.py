"""Steps that are undone in reverse when a later one fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from lichen.agents.agent import Agent
from lichen.agents.patterns.team import PatternFailed, identity, team
from lichen.agents.replay.chat import CallFailed, Chat
from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits
from lichen.tools.miscalled import refuses_misuse
from lichen.tools.spec import is_tool, tool_invalid, written_at

STEPS_MAX: Final = 32
Results = Mapping[str, Any]
"""The results of the steps so far, by the steps' names."""
Arguments = Callable[[Any, Results], Mapping[str, Any]]
"""The arguments of a call, of what the saga was started with and the results so far. It is pure."""


class Step:
    """One step of a saga: a tool, its arguments, and what undoes it.

    Without `undo` it is one that only reads (its tool has no effects), or one that cannot be undone: such a step is the
    last, or says `for_good`, and then nothing but such steps may follow it. `undo_args` is told the results too, its
    own step's among them if there is one.
    """

    @refuses_misuse("Step", "agent_invalid")
    def __init__(
        self,
        tool: Tool,
        args: Arguments | None = None,
        *,
        name: str = "",
        undo: Tool | None = None,
        undo_args: Arguments | None = None,
        for_good: bool = False,
    ) -> None:
        for each in (tool, *(() if undo is None else (undo,))):
            _check_tool(each)
        self.tool, self.args = tool, args or _what_it_was_told
        self.name = name or str(tool.spec.name)
        self.undo, self.undo_args = undo, undo_args or self.args
        self.for_good = for_good

    @property
    def is_final(self) -> bool:
        """Whether it has an effect that nothing undoes."""
        return self.undo is None and self.tool.spec.effects != "none"


def saga(name: str, steps: Sequence[Step], *, limits: Limits | None = None, description: str = "") -> Agent:
    """An agent that does these steps one after the other, and undoes those that were done, the last one first, when
    one fails.

    It is started with JSON, or words, which its steps' arguments are made of; its answer is JSON of their results by
    name. Where a step without `args` needs some and it is started with words, it fails before anything is done
    (`saga_input_invalid`). A step is undone also when nobody knows whether it happened, so what undoes has to bear
    that. Steps that cannot be undone come last, and no step is done twice. After undoing all, it fails (`saga_undone`).
    Where something could not be undone, where a step failed after one that cannot be undone, or a limit was reached, it
    fails too (`saga_stuck`, nothing more is done) and a person has to see to it, as to one that is cancelled. Raises
    Invalid (`agent_invalid`).
    """
    _check(name, steps)

    async def play(chat: Chat) -> str:
        given, done, results = _given(chat), list[Step](), dict[str, Any]()
        _check_given(given, steps)
        for step in steps:
            try:
                results[step.name] = await chat.call(step.tool, **step.args(given, results))
            except CallFailed as failure:
                said = f"Step {step.name} failed: {_why(failure)}"
                if failure.outcome in ("unknown", "timed_out") and step.tool.spec.effects != "none":
                    done.append(step)
                await _undo(chat, done, given, results, said)
                raise PatternFailed(said, code="saga_undone") from None
            done.append(step)
        return msgspec.json.encode(results).decode()

    undo = [step.undo for step in steps if step.undo is not None]
    by_name = {tool.spec.name: tool for tool in (*(step.tool for step in steps), *undo)}
    parts = [(s.name, s.tool.spec.name, _undoes(s), identity(s.args), identity(s.undo_args)) for s in steps]
    return team(
        name,
        play,
        tools=by_name.values(),
        parts=parts,
        has_effects=True,
        limits=limits or Limits(calls=2 * STEPS_MAX, time_s=3600.0),
        description=description,
    )


def _why(failure: CallFailed) -> str:
    issues = " ".join(f"{issue.field} {issue.message}" for issue in failure.issues)
    return " ".join(filter(None, (failure.reason or failure.message, issues)))


async def _undo(chat: Chat, done: Sequence[Step], given: Any, results: Results, since: str) -> None:
    """Undoes what was done, the last one first, all that can be. Raises PatternFailed (`saga_stuck`)."""
    is_stuck = any(step.is_final for step in done)  # what is done for good is not left without what it stands on
    why = [since]
    for step in () if is_stuck else reversed(done):
        if step.undo is None:
            continue
        try:
            await chat.call(step.undo, **step.undo_args(given, results))
        except CallFailed as failure:
            is_stuck = True
            why.append(f"What undoes step {step.name} failed: {_why(failure)}")
    if is_stuck:
        raise PatternFailed(" ".join(why), code="saga_stuck")


def _undoes(step: Step) -> str:
    return "" if step.undo is None else str(step.undo.spec.name)


def _check(name: str, steps: Sequence[Step]) -> None:
    for each in steps:
        if not isinstance(each, Step):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            message = f"{_called(each)} is no step of a saga."
            step = f"Write Step({_called(each)}), with undo= if it has an effect that can be undone."
            raise Invalid(message, code="agent_invalid", next_step=step, place=written_at())
    names = [step.name for step in steps]
    if not 1 <= len(steps) <= STEPS_MAX or len(set(names)) != len(names):
        message = f"A saga has 1 to {STEPS_MAX} steps, each under its own name."
        raise Invalid(message, code="agent_invalid", place=name)
    finals = [i for i, step in enumerate(steps) if step.is_final]
    late = next((s for s in steps[finals[0] :] if not s.is_final), None) if finals else None
    if late is not None:
        step = "Move it to the front, or say what undoes the steps before it."
        message = f"Step {late.name!r} follows one that cannot be undone."
        raise Invalid(message, code="agent_invalid", next_step=step, place=name)
    forgotten = next((s for s in steps[:-1] if s.is_final and not s.for_good), None)
    if forgotten is not None:
        step = "Say what undoes it with undo=, move it to the end, or say for_good=True if nothing can."
        message = f"Step {forgotten.name!r} has an effect, nothing undoes it, and steps that may fail follow."
        raise Invalid(message, code="agent_invalid", next_step=step, place=name)
    if any(step.undo is not None and step.undo.spec.effects == "child" for step in steps):
        raise Invalid("What undoes a step is a tool, and no agent.", code="agent_invalid", place=name)


def _check_tool(tool: object) -> None:
    """Raises Invalid (`tool_invalid`): a step, and what undoes it, is a tool."""
    if not is_tool(tool):
        step = "Decorate the function with @tool, and pass it: Step(reserve, undo=release)."
        raise tool_invalid(f"{_called(tool)} is not a tool.", place=written_at(), next_step=step)


def _called(value: object) -> str:
    """What somebody calls a value in a program."""
    named = str(getattr(value, "__name__", ""))
    return named if named.isidentifier() else f"a {type(value).__name__}"


def _given(chat: Chat) -> Any:
    """What the saga was started with: JSON where it is, else words."""
    data = next((message.data for message in chat.messages if message.data is not None), None)
    if data is not None:
        return data
    try:
        return msgspec.json.decode(chat.text)
    except msgspec.DecodeError:
        return chat.text


def _check_given(given: Any, steps: Sequence[Step]) -> None:
    """Raises PatternFailed (`saga_input_invalid`) before anything is done, where steps would take their arguments from
    words."""
    lacking = [
        step.name for step in steps if step.args is _what_it_was_told and step.tool.spec.input_schema.get("required")
    ]
    if lacking and not isinstance(given, dict):
        message = (
            f"Step {lacking[0]} takes its arguments from what the saga is started with, which has to be a JSON object "
            "and is not. Start it with `input`, or with such JSON as words, or say args= of the step."
        )
        raise PatternFailed(message, code="saga_input_invalid")


def _what_it_was_told(given: Any, results: Results) -> Mapping[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}
