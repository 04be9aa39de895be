"""What a call gives a manifest: each argument checked by its type, and by the scope where it points at hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from lichen.core.ports.call import InvalidArguments, Issue
from lichen.tools.clad.commands import Plan, values
from lichen.tools.clad.scope import Scope, is_internal
from lichen.tools.clad.values import target_of

SCOPED: Final = ("scope_target", "cidr", "ip_address")


class Inputs(NamedTuple):
    """The arguments of a plan, and where they may point at."""

    plan: Plan
    scope: Scope | None

    @property
    def lacks_scope(self) -> bool:
        """Whether something points at hosts, and nothing says at which it may."""
        return self.scope is None and any(
            each.type in SCOPED or each.scope_check for each in self.plan.arguments.values()
        )

    def of(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Every argument as text. Raises InvalidArguments."""
        found = values(self.plan, fields)
        outside = tuple(self._outside(found))
        if outside:
            raise InvalidArguments(outside)
        return found

    def _outside(self, found: Mapping[str, str]) -> Iterator[Issue]:
        """What points somewhere that it may not be pointed at."""
        for name, argument in self.plan.arguments.items():
            if not (text := found[name]):
                continue
            target = target_of(argument, text)
            if argument.block_internal and is_internal(target):
                yield Issue(f"/{name}", "invalid_enum_value", "must be none of our own network.")
            elif (argument.type in SCOPED or argument.scope_check) and not (self.scope or Scope()).holds(target):
                yield Issue(f"/{name}", "invalid_enum_value", "must lie within the scope.")
