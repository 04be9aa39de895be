"""Policies read as their author wrote them: which of them could ever concern a call, and where each one stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from cedarpy import pst

from lichen.gate.cedar import policyset as cedar
from lichen.gate.cedar.statements import Statement, statements
from lichen.gate.cedar.values import Entity, Value, uid
from lichen.gate.rules.annotations import Terms
from lichen.gate.rules.policies import BASE, DEFAULT, PolicySet
from lichen.gate.rules.schema import PRINCIPALS, Action

Effect = Literal["permit", "forbid"]


class Written(NamedTuple):
    """One policy: its number in the set, its tree, its place, and what its annotations say."""

    number: int
    policy: pst.Template
    statement: Statement
    terms: Terms

    @property
    def effect(self) -> Effect:
        """Whether it permits or forbids."""
        return "forbid" if self.policy.effect == "forbid" else "permit"

    @property
    def place(self) -> str:
        """`file:line:column` of its begin."""
        return self.statement.place()

    def concerns(self, principal: Entity, action: Entity, resource: Entity) -> bool:
        """Whether its scope fits such a request, whatever its conditions say."""
        return (
            _fits(self.policy.principal, principal)
            and _is_about(self.policy.action, action)
            and _fits(self.policy.resource, resource)
        )

    def named(self) -> Iterator[tuple[str, str]]:
        """Type and id of what its scope names as principal and resource."""
        for constraint in (self.policy.principal, self.policy.resource):
            entity = getattr(constraint, "entity", None)
            if isinstance(entity, pst.EntityUid):
                yield str(entity.type), entity.id


def written(policies: PolicySet) -> tuple[Written, ...]:
    """The policies of a set in their order, the built-in ones included."""
    own = [
        part
        for name, text in sorted(policies.files.items())
        if name.endswith(".cedar")
        for part in statements(name, text)
    ]
    always, base = statements("(lichen)", DEFAULT), statements("(base)", BASE)
    parts = [*always, *base, *own] if len(policies.terms) > len(always) + len(own) else [*always, *own]
    trees = cedar.parse("\n".join(part.text for part in parts))
    each = zip(trees, parts, policies.terms, strict=True)
    return tuple(Written(number, *one) for number, one in enumerate(each))


def _agent_entity(name: str) -> Entity:
    """An agent as the principal of its calls."""
    return Entity(PRINCIPALS["agent"], name, attrs={"roles": frozenset(), "capabilities": frozenset()})


def concerning(policies: PolicySet, agent: str, tool: str) -> tuple[Written, ...]:
    """The policies that could decide about a call of this tool by this agent. None for an unknown tool."""
    view = policies.schema.views.get(tool)
    if view is None or view.resource is None:
        return ()
    principal = _agent_entity(agent)
    return tuple(one for one in written(policies) if one.concerns(principal, view.action, view.resource))


def about(policies: PolicySet, agent: str, action: Action, resource: str) -> tuple[Written, ...]:
    """The policies that could decide whether this agent may do this, such as use a secret or ask a model of a name."""
    view = policies.schema.views[action]
    principal, entity = _agent_entity(agent), Entity(view.resource_type, resource)
    return tuple(one for one in written(policies) if one.concerns(principal, view.action, entity))


def forbidding(concerned: Iterable[Written]) -> Written | None:
    """Which of these policies forbids under all conditions; None where none does."""
    return next((one for one in concerned if one.effect == "forbid" and not one.policy.clauses), None)


def applies(one: Written, principal: Entity, action: Entity, resource: Entity, context: Mapping[str, Value]) -> bool:
    """Whether a policy, alone, holds for a request. One whose condition fails to be evaluated does not hold."""
    ruling = cedar.decider([one.policy])(principal, action, resource, context)
    return bool(ruling.permits or ruling.forbids)


def _fits(constraint: pst.PrincipalOrResourceConstraint, entity: Entity) -> bool:
    match constraint:
        case pst.ScopeAny():
            return True
        case pst.ScopeIs(entity_type=kind):
            return entity.type == str(kind)
        case pst.ScopeEq(entity=pst.EntityUid() as other):
            return entity.uid == uid(str(other.type), other.id)
        case pst.ScopeIn(entity=pst.EntityUid() as other):
            return uid(str(other.type), other.id) in entity.closure
        case pst.ScopeIsIn(entity_type=kind, entity=pst.EntityUid() as other):
            return entity.type == str(kind) and uid(str(other.type), other.id) in entity.closure
        case _:
            return False  # a template is not linked, so it never applies


def _is_about(constraint: pst.ActionConstraint, action: Entity) -> bool:
    match constraint:
        case pst.ScopeAny():
            return True
        case pst.ActionEq(entity=entity):
            return action.uid == uid(str(entity.type), entity.id) or uid(str(entity.type), entity.id) in action.closure
        case pst.ActionIn(entities=entities):
            return any(uid(str(entity.type), entity.id) in action.closure for entity in entities)
