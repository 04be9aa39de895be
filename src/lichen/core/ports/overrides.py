"""What one run is started with beside its agent's definition: fewer tools, and narrower limits. Never wider."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lichen.core.ports.agent import AgentDef
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Limits

CODE = "overrides_invalid"
CLAUSES_MAX = 16


class Tagged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A clause on the tags of tools: a tool has one of `any_of`, if there are any, and none of `none_of`."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    def fits(self, tags: tuple[str, ...]) -> bool:
        """Whether these tags are such."""
        return (not self.any_of or bool({*self.any_of} & {*tags})) and not {*self.none_of} & {*tags}


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for one run: it may use `tools` only, all of whose tags fit every clause of `tagged`; and it has at
    most so many calls, failed steps, calls of one plan and tokens, and so much time. None leaves a limit as it is.
    """

    tools: tuple[str, ...] = ()
    tagged: tuple[Tagged, ...] = ()
    calls: int | None = None
    time_s: float | None = None
    failures: int | None = None
    fan_out: int | None = None
    tokens: int | None = None
    grace_s: float | None = None


NONE = Overrides()
_LIMITS = ("calls", "time_s", "failures", "fan_out", "tokens", "grace_s")


class Terms(NamedTuple):
    """The limits of a run, and the tools it may use: none named for all."""

    limits: Limits
    only: tuple[ToolName, ...] = ()


def terms(agent: AgentDef, overrides: Overrides) -> Terms:
    """The terms of a run of the agent. Raises Invalid (`overrides_invalid`) where nothing could be used, a tool is not
    the agent's, or a limit allows no step."""
    if overrides is NONE:
        return Terms(agent.limits)
    return Terms(_limits(agent.limits, overrides), _only(agent, overrides))


def _limits(own: Limits, overrides: Overrides) -> Limits:
    wanted = {name: value for name in _LIMITS if (value := getattr(overrides, name)) is not None}
    try:
        return msgspec.structs.replace(own, **{name: min(getattr(own, name), value) for name, value in wanted.items()})
    except ValueError as error:
        raise Invalid(f"A limit is out of range: {error}.", code=CODE, next_step="Allow at least one step.") from None


def _only(agent: AgentDef, overrides: Overrides) -> tuple[ToolName, ...]:
    unknown = [name for name in overrides.tools if name not in agent.tools]
    if unknown or len(overrides.tagged) > CLAUSES_MAX:
        step = f"Name tools of {agent.name}, and at most {CLAUSES_MAX} clauses."
        raise Invalid("The run is restricted to what its agent does not have.", code=CODE, next_step=step)
    fit = [
        name
        for name, tool in agent.tools.items()
        if (not overrides.tools or name in overrides.tools)
        and all(clause.fits(tool.spec.tags) for clause in overrides.tagged)
    ]
    if agent.tools and not fit:
        step = "Leave a tool, or start an agent without tools."
        raise Invalid("The run is restricted to no tool at all.", code=CODE, next_step=step)
    return () if len(fit) == len(agent.tools) else tuple(fit)
