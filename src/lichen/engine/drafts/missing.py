"""What follows when a planned call lacks arguments, as its agent says: the customer is asked for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from lichen.core.ports.agent import AgentDef
from lichen.core.ports.call import Issue, ToolSpec
from lichen.core.ports.plan import Plan, WaitRequest
from lichen.engine.act import Act

FIELDS_MAX: Final = 8  # of one question


def missing_in(spec: ToolSpec, issues: Sequence[Issue]) -> Iterator[str]:
    """What each argument that is missing is, in the words of the tool's author; else its name."""
    for issue in issues:
        if issue.constraint == "missing_field":
            name = issue.field.rpartition("/")[2]
            field: Mapping[str, Any] = spec.input_schema.get("properties", {}).get(issue.field.removeprefix("/"), {})
            yield str(field.get("description") or name.replace("_", " ")).strip().rstrip(".?")


def asking(act: Act, agent: AgentDef, plan: Plan, missing: Sequence[str]) -> Plan:
    """The plan with a question for what is missing, where the agent asks its customer and the plan asks nothing."""
    is_asked = agent.on_missing == "ask" and missing and not (plan.waits or plan.answer is not None or act.state.limit)
    if not is_asked or act.state.session is None or act.state.parent is not None:
        return plan
    fields = list(dict.fromkeys(missing))[:FIELDS_MAX]
    question = WaitRequest("clarification", public_text=f"{'; '.join(fields)}?")
    return msgspec.structs.replace(plan, waits=(question,))
