"""What a plan says under keys of the project's own words, in the language of the session: before it is recorded, so
that the log has what the customer heard."""

from __future__ import annotations

import msgspec

from lichen.core.ports.plan import Plan
from lichen.core.speech.keyed import found, worded, worded_saying
from lichen.engine.act import Act


def worded_plan(act: Act, plan: Plan) -> Plan:
    """The plan with its messages, questions and answer in words."""
    wording = act.services.wording(act.journal.scope)
    if not wording.keyed:
        return plan
    language = act.language or wording.languages[0]

    def find(key: str) -> str | None:
        return found(wording.keyed, key, language)

    waits = tuple(msgspec.structs.replace(each, public_text=worded(each.public_text, find)) for each in plan.waits)
    answer = None if plan.answer is None else worded_saying(plan.answer, find)
    says = tuple(worded_saying(each, find) for each in plan.says)
    return msgspec.structs.replace(plan, waits=waits, says=says, answer=answer)
