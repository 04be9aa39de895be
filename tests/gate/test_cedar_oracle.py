"""Compiled policies decide as cedarpy does, over random policies and requests with errors and missing attributes."""

from __future__ import annotations

from collections import Counter

import cedarpy
import pytest

from lichen.gate.cedar import policyset as cedar
from lichen.gate.cedar.policyset import Interpreted, Ruling
from tests.gate.oracle import World, answer

SETS = 60
REQUESTS = 100


def kind(ruling: Ruling) -> str:
    return "error" if ruling.errors else "forbid" if ruling.forbids else "allow" if ruling.permits else "default"


def forbids_of(text: str) -> set[int]:
    return {number for number, policy in enumerate(cedar.parse(text)) if policy.effect == "forbid"}


@pytest.mark.req("SYM-70.1")
@pytest.mark.parametrize("first_seed", range(0, SETS, 20))
def test_compiled_policies_decide_as_cedarpy_and_name_the_same_policies(first_seed: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(first_seed, first_seed + 20):
        world = World(seed)
        text = world.policies(world.random.randrange(1, 30))
        decide = cedar.decider(cedar.parse(text))
        assert not isinstance(getattr(decide, "__self__", None), Interpreted)
        handle, forbids = cedarpy.PolicySet.from_str(text), forbids_of(text)
        for _ in range(REQUESTS):
            request = world.request()
            got = decide(request.principal, request.action, request.resource, request.context)
            assert got == answer(handle, forbids, request), f"seed {seed}\n{text}\n{request}"
            seen[kind(got)] += 1
    assert all(seen[outcome] > 20 for outcome in ("allow", "forbid", "error", "default")), seen


@pytest.mark.req("SYM-70.2")
@pytest.mark.parametrize(
    "extra",
    [
        'permit(principal, action, resource) when { context has name && context.name like "x*" };',
        'forbid(principal, action, resource) when { context.name like "y*" };',
        'permit(principal, action, resource) when { ip("10.0.0.1").isInRange(ip("10.0.0.0/8")) && context.flag };',
        'forbid(principal, action, resource) when { decimal("1.5").lessThan(decimal("1.4")) };',
        'permit(principal, action, resource) when { datetime("2024-10-15") < datetime("2024-10-16") };',
        "permit(principal == ?principal, action, resource);",
        'permit(principal, action, resource) when { principal.hasTag("x") };',
    ],
)
def test_a_set_the_compiler_does_not_cover_is_decided_by_cedarpy(extra: str) -> None:
    world = World(7)
    text = world.policies(6, extra=(extra,))
    decide = cedar.decider(cedar.parse(text))
    assert isinstance(getattr(decide, "__self__", None), Interpreted)
    handle, forbids = cedarpy.PolicySet.from_str(text), forbids_of(text)
    for _ in range(50):
        request = world.request()
        got = decide(request.principal, request.action, request.resource, request.context)
        assert got == answer(handle, forbids, request), f"{text}\n{request}"
