"""What waits for a person: the inbox, one of them with everything to decide on, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from lichen.core.errors import Conflict, Invalid
from lichen.core.ids import RunId
from lichen.core.wait import OUTCOMES, WaitOutcome
from lichen.runtime.operations.waits import WaitView, parse
from lichen.serve.console.handovers import HandedOver, open_handovers
from lichen.serve.console.visit import Outcome, Visit

KINDS = ("approval", "reconcile")
NOTE_CHARS_MAX = 2_000
_TRUSTED = ("customer", "operator", "tool")


class Asked(msgspec.Struct, frozen=True):
    """One line of the inbox. `gist` is the call's arguments on one line, `customer` a pseudonym."""

    id: str
    kind: str
    tool: str
    gist: str
    customer: str
    agent: str
    run: RunId
    opened_at_us: int
    expires_at_us: int | None


class Inbox(msgspec.Struct, frozen=True):
    """Everything in this scope that waits for a person, oldest first; `handovers` are customers who want one."""

    waits: tuple[Asked, ...]
    handovers: tuple[HandedOver, ...] = ()


class Argument(msgspec.Struct, frozen=True):
    """An argument of the call and where it came from. `is_vouched`: from an accepted source and not a model.

    `amount` is the value as people say it, when its schema counts in cents.
    """

    name: str
    value: Any
    amount: str | None
    origin: str
    whence: str
    is_vouched: bool


class WaitPage(msgspec.Struct, frozen=True):
    """One thing to decide, bound to `wait.digest`. `answers` are the outcomes an answer may say."""

    wait: WaitView
    tool: str
    arguments: tuple[Argument, ...]
    facts: Mapping[str, Any]
    reason: str
    customer: str
    agent: str
    session: str | None
    answers: tuple[str, ...]
    may_answer: bool


class Closed(msgspec.Struct, frozen=True):
    """A wait that was answered already: how, when and by whom (a pseudonym)."""

    id: str
    run: RunId
    outcome: str
    by: str
    note: str
    at_us: int


async def inbox(visit: Visit) -> Inbox:
    """The open waits for people."""
    journal = visit.runtime.engine.journal(visit.scope)
    found: list[Asked] = []
    for wait in visit.runtime.waits.list(visit.scope, visit.actor, kinds=KINDS):
        state = journal.run(wait.run)
        arguments: dict[str, Any] = wait.operator.get("arguments") or {}
        gist = "  ".join(f"{name} {value}" for name, value in arguments.items())
        found.append(
            Asked(
                wait.id,
                wait.kind,
                str(wait.operator.get("tool") or ""),
                gist[:200],
                state.subject,
                state.agent,
                wait.run,
                wait.opened_at_us,
                wait.expires_at_us,
            )
        )
    return Inbox(tuple(found), open_handovers(visit))


async def show(visit: Visit) -> WaitPage:
    """The wait of the path. Raises NotFound (`wait_unknown`), Conflict (`wait_closed`), Invalid (`wait_id_invalid`)."""
    wait = visit.runtime.waits.show(visit.scope, visit.part("wait"), visit.actor)
    state = visit.runtime.engine.journal(visit.scope).run(wait.run)
    operator = wait.operator
    origins: dict[str, str] = operator.get("origins") or {}
    arguments: dict[str, Any] = operator.get("arguments") or {}
    cents = _in_cents(visit, str(operator.get("tool") or ""))
    may_answer = visit.actor.kind in wait.may_answer or any(role in wait.may_answer for role in visit.actor.roles)
    return WaitPage(
        wait=wait,
        tool=str(operator.get("tool") or ""),
        arguments=tuple(_argument(name, value, origins, in_cents=name in cents) for name, value in arguments.items()),
        facts=operator.get("facts") or {},
        reason=str(operator.get("reason") or ""),
        customer=state.subject,
        agent=state.agent,
        session=state.session,
        answers=OUTCOMES[wait.kind],
        may_answer=may_answer,
    )


def _argument(name: str, value: Any, origins: Mapping[str, str], *, in_cents: bool) -> Argument:
    own = [origin for path, origin in origins.items() if path == name or path.startswith(f"{name}.")]
    kinds = [origin.partition(":")[0] for origin in own]
    worst = next((i for i, kind in enumerate(kinds) if kind not in _TRUSTED), 0)
    origin = own[worst] if own else ""
    amount = f"{value / 100:,.2f}" if in_cents and isinstance(value, int) else None
    return Argument(name, value, amount, origin, _whence(origin), bool(own) and kinds[worst] in _TRUSTED)


def _in_cents(visit: Visit, tool: str) -> set[str]:
    """The arguments of a tool that count in hundredths of what people say."""
    for agent in visit.runtime.agents.all(visit.scope, visit.actor):
        for each in agent.tools.values():
            if each.spec.name == tool:
                properties: Mapping[str, Mapping[str, Any]] = each.spec.input_schema.get("properties", {})
                return {name for name, schema in properties.items() if schema.get("x-lichen-unit") == "minor"}
    return set()


def _whence(origin: str) -> str:
    kind, _, rest = origin.partition(":")
    words = {
        "customer": "the customer’s own words",
        "operator": "an operator’s words",
        "tool": f"a record of {rest}",
        "model": "the model: nobody said this",
        "third_party": "a stranger’s text",
        "": "unknown",
    }
    return words.get(kind, origin)


async def answer(visit: Visit) -> Outcome:
    """Answers about exactly what was shown. Raises Conflict (`wait_closed`), Denied, Expired, Invalid."""
    id, outcome = visit.part("wait"), visit.form.get("outcome", "")
    if outcome not in {each for kind in KINDS for each in OUTCOMES[kind]}:
        raise Invalid("This is no answer to a wait.", code="answer_invalid")
    digest = visit.form.get("digest", "")
    if not digest:
        raise Invalid("The answer does not say what it is about.", code="digest_missing", next_step="Open it again.")
    body: dict[str, Any] = {"note": visit.form.get("note", "")[:NOTE_CHARS_MAX]}
    if result := visit.form.get("result", "").strip():
        body["result"] = _result(result)
    await visit.runtime.waits.answer(visit.scope, id, cast(WaitOutcome, outcome), visit.actor, digest=digest, body=body)
    run, _ = parse(id)
    return Outcome(f"/console/runs/{run}")


def _result(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Invalid("The result is not JSON.", code="body_invalid", place="$.result") from None


def closed(visit: Visit, error: Conflict) -> Closed | None:
    """How the wait of the path was answered, when that is what the error is about."""
    id = visit.part("wait") if error.code == "wait_closed" else ""
    record = visit.runtime.waits.closing(visit.scope, id, visit.actor) if id else None
    if record is None:
        return None
    run, _ = parse(id)
    body: dict[str, Any] = (record.contents or {}).get("body") or {}
    return Closed(id, run, record.control["outcome"], record.actor, str(body.get("note") or ""), record.ts_us)
