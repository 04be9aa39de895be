"""Random policies and requests, and what cedarpy itself says of them."""

from __future__ import annotations

import json
import random
import re
from typing import Any, NamedTuple

import cedarpy

from lichen.gate.cedar.policyset import Ruling
from lichen.gate.cedar.values import Entity, Value, key

_NAMES = ("n", "m", "flag", "name", "tags", "home", "inner")
_ROOT = ("principal", "resource", "context", "context.inner", "context.inner.home", 'User::"u1"', 'Doc::"d0"')


class Request(NamedTuple):
    """Both forms of one request."""

    principal: Entity
    action: Entity
    resource: Entity
    context: dict[str, Value]
    json: dict[str, Any]
    entities: str


class World:
    """Everything random comes from one seed, so a failure repeats."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        groups = [Entity("Action", f"all{n}") for n in range(2)]
        self.actions = [Entity("Action", f"a{n}", parents=self.some(groups)) for n in range(5)]  # fixed, as in a schema

    # -- policies ------------------------------------------------------------------------------------------------

    def policies(self, count: int, *, extra: tuple[str, ...] = ()) -> str:
        return "\n".join([*(self.policy() for _ in range(count)), *extra])

    def policy(self) -> str:
        effect = self.random.choice(("permit", "permit", "permit", "forbid"))
        principal = self.random.choice(
            ("", "", "is User", f"in Group::{self.quoted('g', 4)}", f"== User::{self.quoted('u', 3)}",
             f"is User in Group::{self.quoted('g', 4)}")
        )  # fmt: skip
        action = self.random.choice(
            ("", "", f"== Action::{self.quoted('a', 4)}", f"in Action::{self.quoted('all', 2)}",
             f"in [Action::{self.quoted('a', 4)}, Action::{self.quoted('all', 2)}]")
        )  # fmt: skip
        resource = self.random.choice(
            ("", "", "is Doc", f"== Doc::{self.quoted('d', 3)}", f"in Folder::{self.quoted('f', 3)}")
        )
        clauses = " ".join(
            f"{self.random.choice(('when', 'when', 'unless'))} {{ {self.boolean(3)} }}"
            for _ in range(self.random.choice((0, 1, 1, 1, 2)))
        )
        return f"{effect}(principal {principal}, action {action}, resource {resource}) {clauses};"

    def quoted(self, prefix: str, count: int) -> str:
        return f'"{prefix}{self.random.randrange(count)}"'

    def boolean(self, depth: int) -> str:
        if self.random.random() < 0.04:  # a type error, unless nobody looks
            return self.value(depth)
        if depth == 0:
            return self.random.choice(("true", "false", "context.flag", "principal.flag", "resource has n"))
        one, two = (lambda: self.boolean(depth - 1)), (lambda: self.long(depth - 1))
        root = self.random.choice(_ROOT)
        return self.random.choice(
            (
                lambda: f"({one()} && {one()})",
                lambda: f"({one()} || {one()})",
                lambda: f"(!{one()})",
                lambda: f"(if {one()} then {one()} else {one()})",
                lambda: f"({two()} {self.random.choice(('<', '<=', '>', '>=', '==', '!='))} {two()})",
                lambda: f"({self.value(1)} {self.random.choice(('==', '!='))} {self.value(1)})",
                lambda: f"({root} has {self.random.choice(_NAMES)})",
                lambda: f"({root} has inner.{self.random.choice(_NAMES)})",
                lambda: f"({root} has flag && {root}.flag)",
                lambda: f"{self.set()}.contains({self.value(1)})",
                lambda: f"{self.set()}.{self.random.choice(('containsAll', 'containsAny'))}({self.set()})",
                lambda: f"{self.set()}.isEmpty()",
                lambda: f"({self.entity()} in {self.entity()})",
                lambda: f"({self.entity()} in [{self.entity()}, {self.entity()}])",
                lambda: f"({self.entity()} is {self.random.choice(('User', 'Doc'))})",
                lambda: f"({self.entity()} is User in Group::{self.quoted('g', 4)})",
            )
        )()

    def long(self, depth: int) -> str:
        root = self.random.choice(_ROOT)
        leaf = self.random.choice((f"{root}.n", f"{root}.m", str(self.random.randrange(-3, 9)), "9223372036854775807"))
        if depth == 0 or self.random.random() < 0.5:
            return leaf
        operator = self.random.choice(("+", "-", "*"))
        return self.random.choice((leaf, f"({self.long(depth - 1)} {operator} {self.long(depth - 1)})", f"(-({leaf}))"))

    def set(self) -> str:
        root = self.random.choice(_ROOT)
        members = ", ".join(self.value(1) for _ in range(self.random.randrange(4)))
        return self.random.choice((f"{root}.tags", f"[{members}]", '["x", "y"]', "[1, true, 0]", "[{n: 1}, {n: true}]"))

    def entity(self) -> str:
        return self.random.choice(
            ("principal", "resource", "action", f"User::{self.quoted('u', 3)}", f"Group::{self.quoted('g', 4)}",
             f"Folder::{self.quoted('f', 3)}", 'Action::"all0"', "context.n")
        )  # fmt: skip

    def value(self, depth: int) -> str:
        root = self.random.choice(_ROOT)
        return self.random.choice(
            (
                lambda: f"{root}.{self.random.choice(_NAMES)}",
                lambda: self.long(0),
                lambda: self.random.choice(("true", "false", '"x"', '"it\'s \\u{e9}\\n"', "1", "0")),
                lambda: self.entity(),
                lambda: self.set() if depth else '"y"',
                lambda: f'{{n: {self.long(0)}, "a b": true}}',
                lambda: f'{{n: {self.long(0)}, "a b": true}}["a b"]',
            )
        )()

    # -- requests ------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        top = Entity("Group", "g0", attrs=self.record(0))
        groups = [Entity("Group", f"g{n}", parents=[top] if n % 2 else []) for n in range(1, 4)]
        user = Entity("User", f"u{self.random.randrange(3)}", attrs=self.record(2), parents=self.some(groups))
        folders = [Entity("Folder", f"f{n}") for n in range(3)]
        doc = Entity("Doc", f"d{self.random.randrange(3)}", attrs=self.record(2), parents=self.some(folders))
        action = self.random.choice(self.actions)
        context = self.record(2)
        known = {member.uid: member for entity in (user, action, doc) for member in entity.closure.values()}
        return Request(
            user, action, doc, context,
            {
                "principal": {"type": "User", "id": user.id},
                "action": {"type": "Action", "id": action.id},
                "resource": {"type": "Doc", "id": doc.id},
                "context": json.dumps(plain(context)),
            },
            json.dumps([
                {"uid": {"type": entity.type, "id": entity.id}, "attrs": plain(entity.attrs),
                 "parents": [{"type": parent.type, "id": parent.id} for parent in entity.parents]}
                for entity in known.values()
            ]),
        )  # fmt: skip

    def some(self, entities: list[Entity]) -> list[Entity]:
        return self.random.sample(entities, self.random.randrange(len(entities) + 1))

    def record(self, depth: int) -> dict[str, Value]:
        values: dict[str, Value] = {
            "n": self.random.randrange(-3, 9),
            "m": self.random.choice((0, 1, -(2**63), 2**63 - 1)),
            "flag": self.random.random() < 0.5,
            "name": self.random.choice(("x", "y", "it's é\n")),
            "tags": _Set(self.random.sample(("x", "y", 1, 0, True, False), self.random.randrange(4))),
            "home": {"n": self.random.choice((1, True)), "a b": True},
        }
        if depth:
            values["inner"] = self.record(depth - 1)
        return {name: value for name, value in values.items() if self.random.random() < 0.85}


class _Set(frozenset[Any]):
    """A set that remembers its elements as they were, for the other form of the request."""

    members: list[Any]

    def __new__(cls, members: list[Any]) -> _Set:
        made = super().__new__(cls, map(key, members))
        made.members = members
        return made


def plain(value: Any) -> Any:
    """A value as Cedar JSON, written without the code under test."""
    if isinstance(value, _Set):
        return value.members
    if isinstance(value, dict):
        return {name: plain(field) for name, field in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def answer(policies: cedarpy.PolicySet, forbids: set[int], request: Request) -> Ruling:
    """What cedarpy says, with Lichen's one deviation: an error in a relevant forbid denies."""
    said = cedarpy.is_authorized(request.json, policies, request.entities)  # pyright: ignore[reportUnknownMemberType]
    assert said.decision is not cedarpy.Decision.NoDecision, said.diagnostics.errors
    numbers = tuple(sorted(int(reason.removeprefix("policy")) for reason in said.diagnostics.reasons))
    erring = [int(found[1]) for error in said.diagnostics.errors if (found := re.search(r"`policy(\d+)`", error))]
    errors = tuple(sorted(number for number in erring if number in forbids))
    if said.allowed:
        return Ruling(errors=errors) if errors else Ruling(permits=numbers)
    return Ruling(forbids=numbers, errors=errors)
