"""What one run is started with beside its agent's definition: fewer tools, and narrower limits. Never wider."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.ports.agent import AgentDef
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Limits

CODE = "overrides_invalid"
CLAUSES_MAX: Final = 16
NAMES_MAX: Final = 256  # of tools, and of the tags of one clause
NO_TOOL: Final = ToolName("-")  # no tool is called so: a run that is left this one has none


class Tagged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A clause on the tags of tools: a tool has one of `any_of`, if there are any, and none of `none_of`."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    def fits(self, tags: tuple[str, ...]) -> bool:
        """Whether these tags are such."""
        return (not self.any_of or bool({*self.any_of} & {*tags})) and not {*self.none_of} & {*tags}


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What holds for one run: it may use `tools` only, all of whose tags fit every clause of `tagged`; and it has at
    most so many calls, failed steps, calls of one plan and tokens, so much time and money. Each of its calls takes
    `call_s` at most, each attempt at a plan `plan_s`. None leaves a limit as it is.

    Runs that it starts are held to the clauses and to these two times as well.
    """

    tools: tuple[str, ...] = ()
    tagged: tuple[Tagged, ...] = ()
    calls: int | None = None
    time_s: float | None = None
    failures: int | None = None
    fan_out: int | None = None
    tokens: int | None = None
    grace_s: float | None = None
    cost_usd: float | None = None
    call_s: float | None = None
    plan_s: float | None = None

    @property
    def for_children(self) -> Overrides:
        """What holds for the runs that the run starts."""
        return Overrides(tagged=self.tagged, call_s=self.call_s, plan_s=self.plan_s)


NONE: Final = Overrides()
_LIMITS: Final = ("calls", "time_s", "failures", "fan_out", "tokens", "grace_s", "cost_usd")
BOUNDS: Final = (*_LIMITS, "call_s", "plan_s")
_DECODER: Final = msgspec.json.Decoder(Overrides)


class Terms(NamedTuple):
    """The limits of a run, and the tools it may use: none named for all."""

    limits: Limits
    only: tuple[ToolName, ...] = ()


def sealed(overrides: Overrides) -> bytes:
    """Overrides as they are kept with a message and with the first record of a run; empty for none."""
    return b"" if overrides == NONE else msgspec.json.encode(overrides)


def read(data: bytes) -> Overrides:
    """Overrides as they were kept."""
    return _DECODER.decode(data) if data else NONE


def check(agent: AgentDef, overrides: Overrides) -> None:
    """Raises Invalid (`overrides_invalid`), with the JSON pointer of what is wrong, where nothing could be used, a tool
    is not the agent's, or a limit allows no step."""
    if overrides == NONE:
        return
    for i, name in enumerate(overrides.tools):
        if name not in agent.tools:
            raise _wrong(f"It is no tool of {agent.name}.", f"/tools/{i}", "`lichen list agents` names its tools.")
    _check_sizes(overrides)
    _check_limits(overrides)
    if agent.tools and _only(agent, overrides) == (NO_TOOL,):
        place = "/tagged" if overrides.tagged else "/tools"
        raise _wrong("The run is restricted to no tool at all.", place, "Leave it one, or start an agent without any.")


def terms(agent: AgentDef, overrides: Overrides) -> Terms:
    """The terms of a run of the agent. What the overrides name and the agent does not have gives it nothing."""
    if overrides == NONE:
        return Terms(agent.limits)
    return Terms(narrowed(agent.limits, overrides), _only(agent, overrides))


def narrowed(own: Limits, overrides: Overrides) -> Limits:
    """The limits, none of them wider."""
    wanted = {name: value for name in _LIMITS if (value := getattr(overrides, name)) is not None}
    return msgspec.structs.replace(own, **{name: _least(getattr(own, name), value) for name, value in wanted.items()})


def both(overrides: Iterable[Overrides]) -> Overrides:
    """What holds where each of these does."""
    joined = NONE
    for each in overrides:
        least: dict[str, Any] = {name: _least(getattr(joined, name), getattr(each, name)) for name in BOUNDS}
        joined = Overrides(_common(joined.tools, each.tools), (*joined.tagged, *each.tagged), **least)
    return joined


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not one or not other:
        return one or other
    return tuple(name for name in one if name in other) or (NO_TOOL,)


def _least(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _only(agent: AgentDef, overrides: Overrides) -> tuple[ToolName, ...]:
    fit = [
        name
        for name, tool in agent.tools.items()
        if (not overrides.tools or name in overrides.tools)
        and all(clause.fits(tool.spec.tags) for clause in overrides.tagged)
    ]
    return () if len(fit) == len(agent.tools) else tuple(fit) or (NO_TOOL,)


def _check_sizes(overrides: Overrides) -> None:
    if len(overrides.tools) > NAMES_MAX or len(overrides.tagged) > CLAUSES_MAX:
        place = "/tools" if len(overrides.tools) > NAMES_MAX else "/tagged"
        raise _wrong("There are too many.", place, f"Name {NAMES_MAX} tools and {CLAUSES_MAX} clauses at most.")
    for i, clause in enumerate(overrides.tagged):
        if not 0 < len(clause.any_of) + len(clause.none_of) <= NAMES_MAX:
            step = f"Name one tag at least and {NAMES_MAX} at most."
            raise _wrong("The clause has no tag, or too many.", f"/tagged/{i}", step)


def _check_limits(overrides: Overrides) -> None:
    for name in BOUNDS:
        value = getattr(overrides, name)
        is_fine = value is None or value > 0 or (name == "grace_s" and value == 0)
        try:
            if value is not None and name in _LIMITS:
                msgspec.structs.replace(Limits(), **{name: value})
        except ValueError:
            is_fine = False
        if not is_fine:
            raise _wrong("The limit is out of range.", f"/{name}", "Allow at least one step, or leave it out.")


def _wrong(message: str, place: str, step: str) -> Invalid:
    return Invalid(message, code=CODE, next_step=step, place=place)
