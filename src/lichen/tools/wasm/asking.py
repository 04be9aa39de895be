"""What a component asks a person for before it goes on, as a question of the run's; and what was said to it.

A router answers `elicit`, and the adapter of one an `elicitation` beside its `ok`: neither knows a way to be told what
was said but another call, so what was said stands among the arguments of that, by the names of the fields. The question
is the component's, and says so; what is secret is not asked for in a form.

Source: wasix:mcp@25.6.18, elicit; greentic-mcp, the adapter's `elicitation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lichen.core.ports.call import GivenAnswer, NeedsAnswer, NotDone
from lichen.tools.arguments.forms import filled, form_question
from lichen.tools.wasm.documents.trees import table
from lichen.tools.wasm.port import Answered

ELICIT: Final = "elicit"
ROUNDS_MAX: Final = 10  # of calls that end with a question


class Kept(msgspec.Struct, frozen=True):
    """What lies with the run while a question is open: its schema, what was said to those before, and how many."""

    schema: Mapping[str, Any]
    said: Mapping[str, Any] = {}
    rounds: int = 0


def asks(answered: Answered) -> bool:
    """Whether it asks something before it goes on."""
    return bool(table(answered.metadata.get(ELICIT)))


def question_of(component: str, answered: Answered, before: Kept) -> NeedsAnswer:
    """The question as the run asks it. Raises NotDone for what is not asked here."""
    if before.rounds >= ROUNDS_MAX:
        raise _refused("input_required", "The component asks for more and more before it would do this.")
    told = table(answered.metadata.get(ELICIT))
    message, title = told.get("message"), told.get("title")
    text = "\n".join(each for each in (title, message) if isinstance(each, str) and each)
    if not text:
        raise _refused("question_invalid", "The component asks without a word.")
    kept = Kept(table(told.get("schema")), before.said, before.rounds + 1)
    return form_question(component, text, kept.schema, state=msgspec.json.encode(kept))


def heard(answer: GivenAnswer | None) -> Kept:
    """What was said so far. Raises NotDone where somebody declined, or nobody said anything in time."""
    if answer is None:
        return Kept({})
    if answer.outcome != "answered":
        said = "Somebody declined to say it." if answer.outcome == "declined" else "Nobody said it in time."
        raise _refused(answer.outcome, f"The component asked something first. {said}")
    kept = msgspec.json.decode(answer.state, type=Kept)
    given: dict[str, Any] = msgspec.json.decode(answer.data)
    return Kept(kept.schema, {**kept.said, **filled(kept.schema, given)}, kept.rounds)


def with_said(arguments: Mapping[str, Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments with what was said; of an adapter's payload, those of the tool that it names."""
    inner = arguments.get("arguments")
    if "tool" in arguments and isinstance(inner, dict):
        return {**arguments, "arguments": {**inner, **said}}
    return {**arguments, **said} if said else arguments


def _refused(code: str, message: str) -> NotDone:
    return NotDone(message, code=code, retryable=False, recovery="replan")
