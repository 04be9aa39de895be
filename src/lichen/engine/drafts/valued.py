"""An answer that has a type: checked before it counts, whatever planner gave it."""

from __future__ import annotations

import msgspec

from lichen.core.ports.call import InvalidArguments
from lichen.core.ports.plan import Plan
from lichen.core.speech.saying import Saying, text_of
from lichen.core.speech.spoken import Spoken
from lichen.core.words.errors import Invalid
from lichen.engine.act import Act


def valued(act: Act, plan: Plan) -> Plan:
    """The plan with the canonical JSON of its answer's value, where the run's answers have a type, in the words of its
    agent's sentence if there is one.

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
    words = said(act, value)
    answer = plan.answer if words is None else msgspec.structs.replace(Saying.of(plan.answer), text=words)
    return msgspec.structs.replace(plan, value=value, answer=answer)


def said(act: Act, value: bytes) -> str | None:
    """The sentence in which the customer reads a value, None where the run's agent has none for it.

    Raises Invalid (`answer_invalid`) for a value that it cannot say.
    """
    sentence = sentence_of(act)
    if sentence is None or not value:
        return None
    own = act.services.wording(act.journal.scope).languages[0]
    return sentence.text(value, [act.language, own] if act.language else [own])


def sentence_of(act: Act) -> Spoken | None:
    """How values of this run are said: a run that speaks in a session, and was not asked for another type."""
    state, agent = act.state, act.agent
    speaks = state.session is not None and state.parent is None and not state.has_schema
    return agent.say if agent is not None and speaks else None


def _misfit(place: str | None) -> Invalid:
    message = "The answer is not of the type that the run has to give."
    return Invalid(message, code="answer_invalid", place=place, next_step="Give `Plan.value` as JSON of that type.")
