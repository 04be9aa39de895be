"""A check in Cedar's terms: principal, action, resource and context."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from lichen.core.ports.policy import Asking, Check, Meters
from lichen.core.words.label import Label
from lichen.core.words.scope import Actor
from lichen.gate.cedar.values import Entity, Value
from lichen.gate.check.meters import Claim
from lichen.gate.label.labels import Endorsement
from lichen.gate.rules.schema import MODEL_INVOKE, PRINCIPALS, SECRET_USE, ActionView, ToolView

_CACHED: Final = 4096  # actors and labels kept in their Cedar form


class Request(NamedTuple):
    """What a decision is asked about."""

    principal: Entity
    action: Entity
    resource: Entity
    context: Mapping[str, Value]


def request_of(check: Check, view: ActionView, of_tool: Mapping[str, Value]) -> Request:
    """The request of a check. `of_tool` is what only a tool call's context has."""
    context = {"actor": _person(check.actor.subject), "label": _label(check.label), **of_tool}
    if view.action.id == SECRET_USE:
        context |= {"tool": check.hands_to or "", "environment": check.scope.env}
    if view.action.id == MODEL_INVOKE:
        tags, tool = ((), "") if check.asking is None else (check.asking.tags, check.asking.tool)
        context |= {"model": _model(check.resource, tags), "tool": tool}
    return Request(
        _principal(check.actor), view.action, view.resource or Entity(view.resource_type, check.resource), context
    )


def model_context(asking: Asking) -> dict[str, Value]:
    """The part of a context that is about what models used. Reads the meters as they are now."""
    return {"meters": {**asking.used()}}


def tool_context(
    tool: ToolView, *, args: Value, facts: Value, endorsement: Endorsement, claimed: Mapping[str, Claim], meters: Meters
) -> dict[str, Value]:
    """The part of a context that is about a tool call. Reads the meters as they are now."""
    return {
        "args": args,
        "facts": facts,
        "tool": dict(tool.info),
        "endorsed": dict(endorsement.endorsed),
        "meters": {name: meters.used(claim.key) for name, claim in claimed.items()},
        "pending": {name: meters.reserved(claim.key) for name, claim in claimed.items()},
    }


@lru_cache(_CACHED)
def _model(name: str, tags: tuple[str, ...]) -> dict[str, Value]:
    provider, _, model = name.partition(":")
    return {"provider": provider, "name": model, "tags": frozenset(tags)}


@lru_cache(_CACHED)
def _principal(actor: Actor) -> Entity:
    roles = frozenset(actor.roles)
    return Entity(
        PRINCIPALS[actor.kind],
        actor.id,
        attrs={"roles": roles, "capabilities": frozenset(actor.capabilities)},
        parents=[Entity("Role", role) for role in sorted(roles)],
    )


@lru_cache(_CACHED)
def _person(subject: Actor) -> dict[str, Value]:
    return {
        "kind": subject.kind,
        "id": subject.id,
        "roles": frozenset(subject.roles),
        "capabilities": frozenset(subject.capabilities),
    }


@lru_cache(_CACHED)
def _label(label: Label) -> dict[str, Value]:
    return {"sources": frozenset(label.sources), "tainted": label.is_tainted, "secrecy": label.secrecy}
