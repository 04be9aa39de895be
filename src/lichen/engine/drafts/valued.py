"""An answer that has a type: checked before it counts, whatever planner gave it."""

from __future__ import annotations

import msgspec

from lichen.core.ports.call import InvalidArguments
from lichen.core.ports.plan import Plan
from lichen.core.speech.saying import text_of
from lichen.core.words.errors import Invalid
from lichen.engine.act import Act


def valued(act: Act, plan: Plan) -> Plan:
    """The plan with the canonical JSON of its answer's value, where the run's answers have a type.

    Raises Invalid: `answer_invalid` for an answer that is something else, `plan_contradicts_itself` for a value without
    an answer or a type.
    """
    wanted = act.answer_type if plan.answer is not None else None
    if wanted is None or plan.answer is None:
        if plan.value:
            raise Invalid("A plan gives a value that nobody asked for.", code="plan_contradicts_itself")
        return plan
    try:
        value = wanted.decode(plan.value or text_of(plan.answer).encode())
    except InvalidArguments as error:
        raise _misfit(error.place) from None
    return msgspec.structs.replace(plan, value=value)


def _misfit(place: str | None) -> Invalid:
    message = "The answer is not of the type that the run has to give."
    return Invalid(message, code="answer_invalid", place=place, next_step="Give `Plan.value` as JSON of that type.")
