"""Answers that have a type, as whoever asked gets them: what to ask for, the value, and what there is of it so far."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from pydantic_core import from_json

from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import InvalidArguments
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, run_stream
from lichen.core.words.scope import Scope
from lichen.engine.engine import Engine
from lichen.engine.ports import agent_of
from lichen.tools.arguments.answer import SchemaAnswer, inlined

_BOX = "answer"


def schema_of(wanted: AnswerType) -> bytes:
    """The JSON Schema of a type as a run is asked for it. Raises Invalid (`answer_schema_invalid`)."""
    schema = SchemaAnswer({"title": wanted.name, **inlined(wanted.schema)}).schema
    return msgspec.json.encode(schema)


def kind_of(engine: Engine, scope: Scope, run: RunId, wanted: AnswerType | None) -> AnswerType | None:
    """The type of a run's answer: what was `wanted`, else what its agent gives. None where words will do."""
    if wanted is not None:
        return wanted
    state = engine.journal(scope).run(run)
    agent = agent_of(engine.services, scope, state)
    return agent.answers if agent is not None and not state.has_schema else None


def value_of(engine: Engine, scope: Scope, run: RunId, wanted: AnswerType | None = None) -> Any:
    """The value of a finished run's answer, None where it has none, or failed. The result of a call that ended the run,
    and one that was asked for in a type that is not known here, are as JSON has them. Raises Invalid
    (`answer_invalid`) where it does not fit the type any more."""
    kind = kind_of(engine, scope, run, wanted)
    if kind is None:
        return tree_of(engine, scope, run)
    data = _recorded(engine, scope, run)
    try:
        return None if data is None else kind.value(data)
    except InvalidArguments as error:
        step = "The type changed since, or checks more than its schema says; `lichen runs show RUN` has the answer."
        message = "The answer is not of the type that is wanted."
        raise Invalid(message, code="answer_invalid", place=error.place, next_step=step) from None


def tree_of(engine: Engine, scope: Scope, run: RunId) -> Any:
    """The value of a finished run's answer as JSON has it, None where it has no type."""
    data = _recorded(engine, scope, run)
    return None if data is None else msgspec.json.decode(data)


def so_far(text: str, kind: AnswerType | None) -> Any:
    """The JSON at the beginning of a value that is still being said; None before there is any."""
    try:
        tree: Any = from_json(text.lstrip().removeprefix("```json").lstrip(), allow_partial="trailing-strings")
    except ValueError:
        return None
    is_boxed = kind is not None and kind.schema.get("type") != "object"
    return cast("dict[str, Any]", tree).get(_BOX) if is_boxed and isinstance(tree, dict) else tree


def _recorded(engine: Engine, scope: Scope, run: RunId) -> bytes | None:
    journal = engine.journal(scope)
    state = journal.run(run)
    if not state.outcome:
        return None
    return journal.log.contents(run_stream(run), state.n - 1).get("value")
