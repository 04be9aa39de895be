"""Policies that packs bring: forbids count for everything, permits for nothing but the pack's own agents and tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from cedarpy import pst

from lichen.core.words.errors import Invalid
from lichen.gate.cedar.statements import Statement
from lichen.gate.rules.annotations import Terms, annotated_at
from lichen.gate.rules.schema import PRINCIPALS, PolicySchema

_MEND: Final = "What others may, or with others' tools, the tenant's own policies say."


class PackPolicies(msgspec.Struct, frozen=True):
    """The policies and meters of a pack by their paths in it, and the agents and tools that are its own. They count in
    `tenants`, in all where none is named. `root` is where the pack lies."""

    pack: str
    root: str
    files: Mapping[str, str]
    agents: frozenset[str]
    tools: frozenset[str]
    tenants: tuple[str, ...] = ()

    @property
    def named(self) -> dict[str, str]:
        """The files as they are called in a set: no folder of a tenant is called so."""
        return {f"({self.pack})/{path}": text for path, text in self.files.items()}

    def is_of(self, tenant: str) -> bool:
        """Whether they are in force in this tenant."""
        return not self.tenants or tenant in self.tenants


def is_packed(file: str) -> bool:
    """Whether a file of a set came with a pack."""
    return file.startswith("(") and ")/" in file


def placed(packs: Iterable[PackPolicies], place: str) -> str | None:
    """Where something lies that a set calls so, if it came with one of these packs."""
    for each in packs:
        begin = f"({each.pack})/"
        if place.startswith(begin):
            return f"{each.root}/{place.removeprefix(begin)}"
    return None


def owned(packs: Iterable[PackPolicies], file: str) -> PackPolicies | None:
    """The pack that brought a file of a set."""
    return next((each for each in packs if file.startswith(f"({each.pack})/")), None)


def renamed(terms: Terms, part: Statement, pack: PackPolicies) -> Terms:
    """The terms of a pack's policy, with an id that names the pack: `shop.desk/refunds`."""
    default = f"{part.file.removesuffix('.cedar')}#{part.number}"
    own = default.removeprefix(f"({pack.pack})/") if terms.id == default else terms.id
    return msgspec.structs.replace(terms, id=f"{pack.pack}/{own}")


def check_permit(policy: pst.Template, part: Statement, terms: Terms, pack: PackPolicies, schema: PolicySchema) -> None:
    """Raises Invalid (`pack_policy_widens`) for a permit of a pack that is not for one of its agents by name and for
    tools of its own by name, or that lets a result go without what it came from."""
    if policy.effect == "forbid":
        return
    if terms.declassify:
        raise _widens(
            terms, "drops what a result came from", "Leave @declassify out.", annotated_at(part, "declassify")
        )
    agent = _principal(policy)
    if agent not in pack.agents:
        known = " or ".join(f'Agent::"{name}"' for name in sorted(pack.agents)) or "none, it has no agent"
        raise _widens(terms, "is not for one agent of the pack", f"Write principal == {known}. {_MEND}", part.place())
    for name in _actions(policy):
        if not _is_own(name, pack, schema):
            known = ", ".join(sorted(pack.tools)) or "no tool"
            step = f"The pack brings {known}. {_MEND}"
            what = f"is about {name}, which is no tool of the pack" if name else "is about more than tools of the pack"
            raise _widens(terms, what, step, part.place(part.find(name) if name else None))


def _principal(policy: pst.Template) -> str | None:
    match policy.principal:
        case pst.ScopeEq(entity=pst.EntityUid() as who) if str(who.type) == PRINCIPALS["agent"]:
            return who.id
        case _:
            return None


def _actions(policy: pst.Template) -> Iterator[str]:
    """What a policy is about by name; an empty name stands for anything."""
    match policy.action:
        case pst.ActionEq(entity=entity):
            yield entity.id
        case pst.ActionIn(entities=entities):
            yield from (entity.id for entity in entities)
        case pst.ScopeAny():
            yield ""


def _is_own(name: str, pack: PackPolicies, schema: PolicySchema) -> bool:
    """Whether an action is a call of a tool that the pack brought, or of an agent of its own as a tool."""
    view = schema.views.get(name)
    if view is None or view.tool is None:
        return False
    return name in pack.tools or (view.tool.spec.agent in pack.agents and name in pack.agents)


def _widens(terms: Terms, what: str, step: str, place: str) -> Invalid:
    message = f"Policy {terms.id} permits what a pack cannot: it {what}."
    return Invalid(message, code="pack_policy_widens", next_step=step, place=place)
