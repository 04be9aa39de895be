"""A call that is decided without being made: by the very gate that would decide it, on facts and sums that are given.

What it shows is each policy that could concern the call, whether it holds, and which parts of its condition do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from cedarpy import PolicySet as CedarSet
from cedarpy import pst

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.policy import (
    MODEL_METERS,
    RUN_METERS,
    Asking,
    Check,
    Evidence,
    Grant,
    ModelMeter,
    RunMeter,
    Verdict,
)
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import CallId, RunId, SessionId
from lichen.core.words.label import Label
from lichen.core.words.scope import Actor, Scope
from lichen.gate.cedar.values import Entity, Value
from lichen.gate.gate import PolicyGate
from lichen.gate.label.evidence import evidence_from_text
from lichen.gate.rules.policies import PolicySet
from lichen.gate.rules.reading import Effect, Written, applies, written
from lichen.gate.rules.schema import MODEL_INVOKE, RUN_START, SECRET_USE

_DIGEST = b"simulated"
_NESTED = re.compile(r"(?<!\w)\((context(?:\.\w+)*|principal|resource|action|-?\d+|\"[^\"]*\")\)")

Request = tuple[Entity, Entity, Entity, Mapping[str, Value]]


class Case(msgspec.Struct, frozen=True):
    """A call and all that is known around it. `said` are the customer's words, `label` the sources that were read,
    `meters` what is counted already, `approved_by` the role of a person who agreed to it. With `secret` it is asked
    whether the call's tool, or the model, may be handed that one; with `model`, and no tool, whether that one may be
    asked; with none of these whether a run of the agent may be started for that person."""

    agent: str
    tool: str
    person: Actor
    args: Mapping[str, Any] = {}
    facts: Mapping[str, Any] = {}
    said: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    meters: Mapping[str, int] = {}
    approved_by: str = ""
    secret: str = ""
    model: str = ""


class Considered(msgspec.Struct, frozen=True):
    """A policy whose scope fits the call: whether it holds, and the parts of its condition that do not."""

    id: str
    effect: Effect
    place: str
    holds: bool
    missing: tuple[str, ...]


class Simulated(msgspec.Struct, frozen=True):
    """What the gate would say, and why."""

    verdict: Verdict
    considered: tuple[Considered, ...]


async def simulate(
    policies: PolicySet, spec: ToolSpec | None, case: Case, scope: Scope, *, tags: tuple[str, ...] = ()
) -> Simulated:
    """The decision about a call, a secret for it, or a model with these tags, with nothing read and nothing counted.

    Raises NotFound (`tool_unknown`, `secret_unknown`).
    """
    if case.model:
        check = _handing(case, scope, case.model) if case.secret else _asking(case, scope, tags)
    elif not (case.tool or case.secret):
        check = _starting(case, scope)
    else:
        check = _calling(policies, spec, case, scope)
    seen: list[Request] = []

    def decide(principal: Entity, action: Entity, resource: Entity, context: Mapping[str, Value]) -> Any:
        seen.append((principal, action, resource, context))
        return policies.decide(principal, action, resource, context)

    traced = msgspec.structs.replace(policies, decide=decide)
    gate = PolicyGate(
        {(scope.tenant, scope.env): traced},
        clock=lambda: 0,
        digest=lambda scope, data: data.decode(),
        load=lambda scope, key: (0, case.meters.get(str(json.loads(key)[0]), 0)),
        is_unknown=lambda scope, session, tool, digest: False,
    )
    verdict = _within_caps(gate.decide(check, await gate.facts(check)), case)
    return Simulated(verdict, tuple(_considered(one, seen[-1]) for one in _concerned(policies, seen)) if seen else ())


def _within_caps(verdict: Verdict, case: Case) -> Verdict:
    """A cap that is used up lets no request through, however short it is."""
    full = next((cap for cap in verdict.caps if case.meters.get(cap.meter, 0) >= cap.limit), None)
    if full is None or verdict.outcome != "allow":
        return verdict
    reason = f"limit: meter {full.meter} is at {case.meters[full.meter]}, and the limit is {full.limit}."
    return msgspec.structs.replace(verdict, outcome="deny", operator_reason=reason)


def _asking(case: Case, scope: Scope, tags: tuple[str, ...]) -> Check:
    used: dict[ModelMeter, int] = {meter: case.meters.get(meter, 0) for meter in MODEL_METERS}
    return Check(
        scope=scope,
        actor=Actor("agent", case.agent, on_behalf_of=case.person),
        action=MODEL_INVOKE,
        resource=case.model,
        run=RunId("run-simulated"),
        session=SessionId("session-simulated"),
        label=Label(tuple(sorted(case.label)), 0),
        grants=(Grant(case.approved_by, "somebody", _DIGEST),) if case.approved_by else (),
        digest=_DIGEST,
        asking=Asking(lambda: used, tags),
    )


def _starting(case: Case, scope: Scope) -> Check:
    used: dict[RunMeter, int] = {meter: case.meters.get(meter, 0) for meter in RUN_METERS}
    return Check(
        scope=scope,
        actor=case.person,
        action=RUN_START,
        resource=case.agent,
        session=SessionId("session-simulated"),
        label=Label(tuple(sorted(case.label)), 0),
        starting=lambda: used,
    )


def _calling(policies: PolicySet, spec: ToolSpec | None, case: Case, scope: Scope) -> Check:
    if spec is None:
        known = ", ".join(sorted(name for name, view in policies.schema.views.items() if view.tool is not None))
        raise NotFound(f"There is no tool {case.tool!r}.", code="tool_unknown", next_step=f"Name one of: {known}.")
    if case.secret and case.secret not in spec.secrets.all:
        step = f"It asks for: {', '.join(spec.secrets.all) or 'none'}."
        raise NotFound(f"{case.tool} asks for no such secret.", code="secret_unknown", next_step=step)
    return _check(spec, case, scope)


def _check(spec: ToolSpec, case: Case, scope: Scope) -> Check:
    async def facts() -> Mapping[str, Any]:
        return case.facts

    if case.secret:
        return _handing(case, scope, spec.name)
    words = tuple(evidence for text in case.said for evidence in [_said(case, text)])
    grants = (Grant(case.approved_by, "somebody", _DIGEST),) if case.approved_by else ()
    return Check(
        scope=scope,
        actor=Actor("agent", case.agent, on_behalf_of=case.person),
        action=spec.name,
        resource=spec.name,
        run=RunId("run-simulated"),
        call=CallId("c1"),
        session=SessionId("session-simulated"),
        tool=spec,
        args=case.args,
        label=Label(tuple(sorted(case.label)), 0),
        evidence=words,
        grants=grants,
        digest=_DIGEST,
        facts=facts if spec.facts_schema is not None else None,
    )


def _handing(case: Case, scope: Scope, to: str) -> Check:
    return Check(
        scope=scope,
        actor=Actor("agent", case.agent, on_behalf_of=case.person),
        action=SECRET_USE,
        resource=case.secret,
        run=RunId("run-simulated"),
        session=SessionId("session-simulated"),
        label=Label(tuple(sorted(case.label)), 0),
        hands_to=to,
    )


def _said(case: Case, text: str) -> Evidence:
    return evidence_from_text(f"{case.person.kind}:{case.person.id}", text)


def _concerned(policies: PolicySet, seen: list[Request]) -> list[Written]:
    principal, action, resource, _ = seen[-1]
    return [one for one in written(policies) if one.concerns(principal, action, resource)]


def _considered(one: Written, request: Request) -> Considered:
    holds = applies(one, *request)
    missing = () if holds else tuple(text for clause in one.policy.clauses for text in _failing(one, clause, request))
    return Considered(one.terms.id, one.effect, one.place, holds, missing)


def _failing(one: Written, clause: pst.When | pst.Unless, request: Request) -> list[str]:
    """The parts of a condition that keep the policy from holding, as text."""
    parts = _conjuncts(clause.expr) if isinstance(clause, pst.When) else [clause.expr]
    kind = type(clause)
    found: list[str] = []
    for part in parts:
        alone = one._replace(policy=_with(one.policy, (kind(part),)))
        if not applies(alone, *request):
            found.append(_text(alone.policy, "when" if kind is pst.When else "unless"))
    return found


def _conjuncts(expr: pst.Expr) -> list[pst.Expr]:
    if isinstance(expr, pst.BinaryOp) and expr.op == "and":
        return [*_conjuncts(expr.left), *_conjuncts(expr.right)]
    return [expr]


def _with(policy: pst.Template, clauses: tuple[pst.When | pst.Unless, ...]) -> pst.Template:
    return pst.Template(
        policy.id, policy.effect, policy.principal, policy.action, policy.resource, clauses, policy.annotations
    )


def _text(policy: pst.Template, word: str) -> str:
    """`context.args.amount <= 5000`, as near to what was written as cedarpy gives it back."""
    whole = str(CedarSet.from_pst(pst.PolicySet({}, pst.FrozenMap({policy.id: policy}), ())))
    text = whole[whole.index(f" {word} {{") + len(word) + 3 : whole.rindex("}")].strip()
    while (plainer := _NESTED.sub(r"\1", text)) != text:
        text = plainer
    return text if word == "when" else f"unless {text}"
