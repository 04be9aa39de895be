"""Roles that people are asked by and nobody has: in policies, and in what a flow asks a person itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from lichen.agents.agent import Agent
from lichen.core.ports.handover import ROLE
from lichen.core.words.scope import ActorKind
from lichen.flows.ir import Flow, Node
from lichen.flows.nodes.ask import APPROVAL, HANDOVER
from lichen.flows.nodes.kinds import kind_of, operation_of, payload_of
from lichen.flows.nodes.steps import Kind
from lichen.flows.text.reach import fields_of
from lichen.flows.walk.compiled import place_of
from lichen.flows.walk.planner import FlowPlanner
from lichen.gate.rules.reading import Written
from lichen.runtime.review.flaw import Flaw
from lichen.settings import Tenant

_APPROVE: Final[tuple[ActorKind, ...]] = ("operator",)
_ASKED: Final[tuple[tuple[Kind, str, tuple[ActorKind, ...]], ...]] = (
    (APPROVAL, "waits for approval by", _APPROVE),
    (HANDOVER, "hands over to", ("operator", "service")),
)
"""The nodes that ask for a person of a role, in words, and what kinds of actors may answer them."""


def role_unheld(name: str, tenant: Tenant, part: Written, place: str) -> Iterator[Flaw]:
    """The role of a policy's approval, when no operator of the tenant has it."""
    approval = part.terms.approval
    if approval is not None:
        yield from _unheld(
            name, tenant, f"Policy {part.terms.id} waits for approval by", approval.role, _APPROVE, place
        )


def flow_roles(name: str, tenant: Tenant, agents: Iterable[Agent]) -> Iterator[Flaw]:
    """The roles that nodes of these agents' flows ask for and nobody of the tenant has."""
    for agent in agents:
        if isinstance(agent.planner, FlowPlanner):
            for flow in agent.planner.flows.values():
                for node in flow.nodes.values():
                    yield from _node(name, tenant, flow, node)


def _node(name: str, tenant: Tenant, flow: Flow, node: Node) -> Iterator[Flaw]:
    kind, role = kind_of(operation_of(node)), fields_of(payload_of(node)).get("role", ROLE)
    for asks, words, answered_by in _ASKED:
        if kind is asks and isinstance(role, str) and "{{" not in role:  # else only the walk knows
            who = f"Node {node.id!r} of {flow.id} {words}"
            yield from _unheld(name, tenant, who, role, answered_by, place_of(flow, node))


def _unheld(name: str, tenant: Tenant, who: str, role: str, kinds: Collection[ActorKind], place: str) -> Iterator[Flaw]:
    people = [actor for actor in tenant.actors if actor.kind in kinds]
    if role not in {held for actor in people for held in (*actor.roles, actor.kind)}:
        known = ", ".join(sorted({held for actor in people for held in actor.roles})) or "none"
        yield Flaw(
            "role_unheld",
            "warning",
            f"{who} {role!r}, a role that no {' or '.join(kinds)} of {name} has.",
            f"Give the role to an actor or a key, or name one of those there are: {known}.",
            place,
        )
