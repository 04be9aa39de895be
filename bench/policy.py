"""One policy decision at so many policies, compiled; and the same question as cedarpy is asked it."""

from __future__ import annotations

import json
import time

from lichen.gate.cedar.policyset import decider, parse
from lichen.gate.cedar.values import Entity

ROUNDS = 20_000


def source(count: int) -> str:
    """So many permits of which one matches, and a forbid that does not."""
    rules = ['@id("suspended") forbid(principal, action, resource) when { principal.suspended };']
    rules += [
        f'@id("p{i}") permit(principal in Role::"r{i % 20}", action == Action::"a{i % 50}", '
        f'resource == Scope::"s{i}") when {{ context.risk < 50 && resource.level <= 3 }};'
        for i in range(count)
    ]
    return "\n".join(rules)


def peer_input(count: int) -> str:
    """Policies, request and entities for cedarpy."""
    roles = [{"type": "Role", "id": f"r{k}"} for k in (1, 5, 7)]
    entities = [
        {"uid": {"type": "Agent", "id": "ag"}, "attrs": {"suspended": False}, "parents": roles},
        {"uid": {"type": "Scope", "id": "s7"}, "attrs": {"level": 2}, "parents": []},
    ]
    request = {"principal": 'Agent::"ag"', "action": 'Action::"a7"', "resource": 'Scope::"s7"', "context": {"risk": 10}}
    return json.dumps([source(count), request, entities])


def measure(count: int) -> float:
    """Microseconds for one decision, entities at hand, of the same policies and question as the peer's."""
    decide = decider(parse(source(count)))
    roles = [Entity("Role", f"r{k}") for k in (1, 5, 7)]
    agent = Entity("Agent", "ag", attrs={"suspended": False}, parents=roles)
    action, scope = Entity("Action", "a7"), Entity("Scope", "s7", attrs={"level": 2})
    context = {"risk": 10}
    assert decide(agent, action, scope, context).is_allowed
    began = time.perf_counter()
    for _ in range(ROUNDS):
        decide(agent, action, scope, context)
    return (time.perf_counter() - began) / ROUNDS * 1e6
