"""The policies in force: each file with its text and what it permits, what would be decided about a call, the tests."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.gate.simulation import Case, Considered
from lichen.runtime.review.cases import Checked
from lichen.runtime.views.policy import PolicySetView
from lichen.serve.console.visit import Outcome, Visit

JSON_CHARS_MAX = 8_000


class Asking(msgspec.Struct, frozen=True):
    """What was put into the form that asks why."""

    agent: str = ""
    tool: str = ""
    person: str = ""
    args: str = "{}"
    facts: str = "{}"
    said: str = ""
    approved_by: str = ""


class Decided(msgspec.Struct, frozen=True):
    """What would be decided about such a call, and each policy that is about it."""

    outcome: str
    policies: tuple[str, ...]
    reason: str
    public_reason: str
    considered: tuple[Considered, ...]


class PolicyPage(msgspec.Struct, frozen=True):
    """What is in force. `tools` and `agents` are what can be asked about; `decided` answers `asking`, `cases` are the
    tests as they were run just now."""

    policies: PolicySetView
    agents: tuple[str, ...]
    tools: tuple[str, ...]
    asking: Asking = Asking()
    decided: Decided | None = None
    cases: tuple[Checked, ...] | None = None


async def show(visit: Visit) -> PolicyPage:
    """The policies of this scope."""
    runtime = visit.runtime
    agents = runtime.agents.all(visit.scope, visit.actor)
    views = runtime.gate.policies(visit.scope).schema.views
    tools = tuple(sorted(name for name, view in views.items() if view.tool is not None))
    found = runtime.policies.show(visit.scope, visit.actor)
    return PolicyPage(found, tuple(sorted(agent.name for agent in agents)), tools)


async def why(visit: Visit) -> Outcome:
    """What would be decided about a call. Raises NotFound (`tool_unknown`), Invalid (`input_invalid`)."""
    asking = Asking(**{name: visit.form.get(name, "")[:JSON_CHARS_MAX] for name in Asking.__struct_fields__})
    person = visit.runtime.policies.person(visit.scope, asking.person or "somebody", visit.actor)
    said = tuple(line for line in asking.said.splitlines() if line.strip())
    args, facts = _object(asking.args, "args"), _object(asking.facts, "facts")
    case = Case(asking.agent, asking.tool, person, args, facts, said, approved_by=asking.approved_by)
    found = await visit.runtime.policies.why(visit.scope, case, visit.actor)
    verdict = found.verdict
    decided = Decided(
        verdict.outcome, verdict.policies, verdict.operator_reason, verdict.public_reason, found.considered
    )
    page = msgspec.structs.replace(await show(visit), asking=asking, decided=decided)
    return Outcome(template="console/policies.html", view=page)


async def test(visit: Visit) -> Outcome:
    """Runs the project's cases for this tenant. Raises NotFound (`cases_missing`), Invalid (`cases_invalid`)."""
    cases = await visit.runtime.policies.cases(visit.scope, visit.actor)
    return Outcome(template="console/policies.html", view=msgspec.structs.replace(await show(visit), cases=cases))


def _object(text: str, place: str) -> dict[str, Any]:
    try:
        found: Any = msgspec.json.decode(text.strip() or "{}")
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid("This is no JSON object.", code="input_invalid", place=place, next_step='Write {"amount": 100}.')
    return cast("dict[str, Any]", found)
