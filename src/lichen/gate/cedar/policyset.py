"""Decides by a set of Cedar policies: forbid wins, nothing is allowed by default.

cedarpy parses and validates. Decisions are made by compiled functions, indexed so that only policies whose scope
could match are tried; a set with a policy that the compiler does not cover is decided by cedarpy itself.
Stricter than Cedar in one point: where a forbid's scope matches and its condition has an error, the answer is no.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import cedarpy
from cedarpy import pst

from lichen.gate.cedar.compile import Compiler, NotCovered, Test
from lichen.gate.cedar.values import Entity, Value, to_json, uid

ACTIONS_MAX: Final = 10_000  # actions whose index is kept

_VACUOUS: Final = "unable to find an applicable action given the policy scope constraints"
_ERRING = re.compile(r"policy `policy(\d+)`")


class Ruling(NamedTuple):
    """The numbers of the policies that decided, each in the order of the text.

    `errors` are forbids whose scope matched and whose condition could not be evaluated.
    """

    permits: tuple[int, ...] = ()
    forbids: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether a permit matched and no forbid did, or could have."""
        return bool(self.permits) and not self.forbids and not self.errors


Decide = Callable[[Entity, Entity, Entity, Mapping[str, Value]], Ruling]


class Issue(NamedTuple):
    """Something the validator found: the policy's number, and what."""

    number: int
    message: str

    @property
    def is_vacuous(self) -> bool:
        """Whether all that is wrong is that the policy applies to no action."""
        return self.message == _VACUOUS


def syntax_error(text: str) -> str | None:
    """What keeps `text` from being Cedar policies, or None."""
    try:
        cedarpy.policies_to_pst(text)
    except ValueError as error:
        return str(error).removeprefix("cedarpy: ")
    return None


def parse(text: str) -> list[pst.Template]:
    """The policies and templates of `text`, in order. Raises ValueError."""
    tree = cedarpy.policies_to_pst(text)
    policies = {**tree.static_policies, **tree.templates}
    return [policies[f"policy{number}"] for number in range(len(policies))]


def validate(text: str, schema: cedarpy.Schema) -> list[Issue]:
    """Everything about the policies of `text` that does not fit `schema`."""
    result = cedarpy.validate_policies(text, schema)  # pyright: ignore[reportUnknownMemberType] - its dict is bare
    return [Issue(int(error.policy_id.removeprefix("policy")), _said(error)) for error in result.errors]


def _said(error: cedarpy.ValidationError) -> str:
    return error.error.removeprefix(f"for policy `{error.policy_id}`, ")


def decider(policies: Sequence[pst.Template]) -> Decide:
    """What decides by `policies`: compiled if all of them can be, else cedarpy."""
    compiler = Compiler()
    try:
        tests = [compiler.compile(policy) for policy in policies]
    except NotCovered:
        return Interpreted(policies).decide
    return Compiled(policies, tests).decide


# -- compiled ----------------------------------------------------------------------------------------------------

_Rule = tuple[int, Test]
_Index = dict[str | None, dict[str | None, list[_Rule]]]  # by what the principal and the resource must be or be in


class Compiled:
    """Policies as functions, indexed by action, then by principal, then by resource.

    The groups an action is in come from the schema: for one action they are always the same.
    """

    def __init__(self, policies: Sequence[pst.Template], tests: Sequence[Test]) -> None:
        self._policies = policies
        self._tests = tests
        self._by_action = _numbers_by_action(policies)
        self._indexes: dict[str, tuple[_Index, _Index]] = {}

    def decide(self, principal: Entity, action: Entity, resource: Entity, context: Mapping[str, Value]) -> Ruling:
        """Tries every policy whose scope could match."""
        forbids, permits = self._indexes.get(action.uid) or self._index(action)
        matched, errors = _matching(forbids, principal, action, resource, context)
        if matched or errors:
            return Ruling(forbids=matched, errors=errors)
        matched, _ = _matching(permits, principal, action, resource, context)
        return Ruling(permits=matched)

    def _index(self, action: Entity) -> tuple[_Index, _Index]:
        forbids: _Index = {}
        permits: _Index = {}
        for number in _applicable(self._by_action, action):
            policy = self._policies[number]
            index = forbids if policy.effect == "forbid" else permits
            by_resource = index.setdefault(_scope_key(policy.principal), {})
            by_resource.setdefault(_scope_key(policy.resource), []).append((number, self._tests[number]))
        if len(self._indexes) < ACTIONS_MAX:
            self._indexes[action.uid] = (forbids, permits)
        return forbids, permits


def _matching(
    index: _Index, principal: Entity, action: Entity, resource: Entity, context: Mapping[str, Value]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The policies that apply, and those of which nobody can tell."""
    matched: list[int] = []
    failed: list[int] = []
    for principal_key in principal.keys:
        by_resource = index.get(principal_key)
        if by_resource is None:
            continue
        for resource_key in resource.keys:
            for number, test in by_resource.get(resource_key, ()):
                try:
                    if test(principal, action, resource, context):
                        matched.append(number)
                except Exception:  # noqa: BLE001 - whatever a condition fails with is Cedar's evaluation error
                    failed.append(number)
    return _in_order(matched), _in_order(failed)


def _in_order(numbers: list[int]) -> tuple[int, ...]:
    return tuple(sorted(numbers)) if len(numbers) > 1 else tuple(numbers)


def _numbers_by_action(policies: Sequence[pst.Template]) -> dict[str | None, list[int]]:
    """Policy numbers under each action or group that their scope names, and under None if it names none."""
    found: dict[str | None, list[int]] = {}
    for number, policy in enumerate(policies):
        for name in _action_keys(policy.action):
            found.setdefault(name, []).append(number)
    return found


def _action_keys(constraint: pst.ActionConstraint) -> set[str | None]:
    match constraint:
        case pst.ScopeAny():
            return {None}
        case pst.ActionEq(entity=entity):
            return {uid(str(entity.type), entity.id)}
        case pst.ActionIn(entities=entities):
            return {uid(str(entity.type), entity.id) for entity in entities}


def _applicable(by_action: Mapping[str | None, list[int]], action: Entity) -> list[int]:
    """The numbers of all policies whose action scope could match, in order."""
    return sorted({number for name in (None, *action.closure) for number in by_action.get(name, ())})


def _scope_key(constraint: pst.PrincipalOrResourceConstraint) -> str | None:
    match constraint:
        case pst.ScopeAny():
            return None
        case pst.ScopeIs(entity_type=type):
            return str(type)
        case pst.ScopeEq(entity=entity) | pst.ScopeIn(entity=entity) | pst.ScopeIsIn(entity=entity):
            assert isinstance(entity, pst.EntityUid), "a template is not compiled"
            return uid(str(entity.type), entity.id)


# -- interpreted -------------------------------------------------------------------------------------------------


class Interpreted:
    """The same decisions made by cedarpy, on one handle per action that holds only the policies for it."""

    def __init__(self, policies: Sequence[pst.Template]) -> None:
        self._policies = policies
        self._by_action = _numbers_by_action(policies)
        self._handles: dict[str, cedarpy.PolicySet] = {}

    def decide(self, principal: Entity, action: Entity, resource: Entity, context: Mapping[str, Value]) -> Ruling:
        """Asks cedarpy. An answer it does not give is a ruling that allows nothing."""
        handle = self._handles.get(action.uid) or self._handle(action)
        request = {
            "principal": {"type": principal.type, "id": principal.id},
            "action": {"type": action.type, "id": action.id},
            "resource": {"type": resource.type, "id": resource.id},
            "context": json.dumps(to_json(dict(context))),
        }
        entities = _entities_json(principal, action, resource)
        return self._ruling(
            cedarpy.is_authorized(request, handle, entities)  # pyright: ignore[reportUnknownMemberType]
        )

    def _ruling(self, answer: cedarpy.AuthzResult) -> Ruling:
        matched = sorted(int(reason.removeprefix("policy")) for reason in answer.diagnostics.reasons)
        erring = [_ERRING.search(error) for error in answer.diagnostics.errors]
        errors = sorted(int(match[1]) for match in erring if match and self._is_forbid(int(match[1])))
        if answer.decision is cedarpy.Decision.NoDecision:
            return Ruling()
        if answer.allowed and not errors:
            return Ruling(permits=tuple(matched))
        return Ruling(forbids=() if answer.allowed else tuple(matched), errors=tuple(errors))

    def _is_forbid(self, number: int) -> bool:
        return self._policies[number].effect == "forbid"

    def _handle(self, action: Entity) -> cedarpy.PolicySet:
        chosen = [self._policies[number] for number in _applicable(self._by_action, action)]
        static = {policy.id: policy for policy in chosen if not _is_template(policy)}
        handle = cedarpy.PolicySet.from_pst(pst.PolicySet({}, pst.FrozenMap(static), ()))
        if len(self._handles) < ACTIONS_MAX:
            self._handles[action.uid] = handle
        return handle


def _is_template(policy: pst.Template) -> bool:
    """A template authorizes nothing until it is linked, and nothing links one."""
    scopes = (policy.principal, policy.resource)
    return any(isinstance(getattr(scope, "entity", None), pst.Slot) for scope in scopes)


def _entities_json(*entities: Entity) -> str:
    known = {name: member for entity in entities for name, member in entity.closure.items()}
    return json.dumps([_entity_json(entity) for entity in known.values()])


def _entity_json(entity: Entity) -> dict[str, Any]:
    return {
        "uid": {"type": entity.type, "id": entity.id},
        "attrs": to_json(entity.attrs),
        "parents": [{"type": parent.type, "id": parent.id} for parent in entity.parents],
    }
