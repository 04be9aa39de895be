"""What a person is shown of a call or a wait: what is wanted, on which facts and counts, and who said what.

Made once, so that console, API and command line show the same; amounts of money are money everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.handover import KEY as HANDOVER
from lichen.core.ports.model import MODEL
from lichen.core.ports.plan import PlannerKind
from lichen.core.ports.policy import Meter

MINOR_PER_MAJOR = 100
_OF_A_CALL = ("tool", "arguments", "facts", "origins", "sources", "policies", "reason", "meters", "requesters")
_VOUCHED = ("customer", "tool")
_UNVERIFIED = "webchat:"  # how the ids of visitors begin whom no key vouches for


class Shown(msgspec.Struct, frozen=True):
    """One value. `text` is how people read it, money with its currency. Of an argument, `origin` names the source it
    was found in and `whence` says that in words; `is_vouched`: the source is one that endorses."""

    name: str
    value: Any
    text: str
    origin: str = ""
    whence: str = ""
    is_vouched: bool = False


class Asked(msgspec.Struct, frozen=True):
    """What is asked. `tool` is empty where no call is held, as when a flow wants an approval of its own.

    `said` is what a customer wrote who wants a person.
    """

    title: str
    tool: str
    description: str
    details: tuple[Shown, ...]
    facts: tuple[Shown, ...]
    meters: tuple[Shown, ...]
    reason: str
    policies: tuple[str, ...]
    said: str = ""


class Setting(msgspec.Struct, frozen=True):
    """What is known around a run: its tools, the meters policies read of a tool, who plans, who is who.

    `name_of` gives the id behind a pseudonym, or the pseudonym itself where nobody may know.
    """

    agent: str
    kind: PlannerKind
    spec_of: Callable[[str], ToolSpec | None]
    meters_of: Callable[[str], tuple[Meter, ...]]
    name_of: Callable[[str], str]


class Values(msgspec.Struct, frozen=True):
    """The values of one call as they were looked at: its arguments, what was known, what had been counted before."""

    arguments: tuple[Shown, ...]
    facts: tuple[Shown, ...]
    meters: tuple[Shown, ...]


def asked(operator: Mapping[str, Any], setting: Setting) -> Asked:
    """What the `operator` content of a wait asks."""
    tool, reason = str(operator.get("tool") or ""), str(operator.get("reason") or "")
    if not tool and MODEL in operator:
        return _of_a_model(operator, setting, reason)
    if not tool:
        own = {name: value for name, value in operator.items() if name not in ("policies", "reason")}
        title = "a person is wanted" if HANDOVER in operator else f"{setting.agent} asks"
        return Asked(title, "", "", values_of(own), (), (), reason, (), str(operator.get(HANDOVER) or ""))
    spec, values = setting.spec_of(tool), values_of_call(tool, operator, setting)
    others = {name: value for name, value in operator.items() if name not in _OF_A_CALL}
    return Asked(
        title=tool,
        tool=tool,
        description=spec.description if spec else "",
        details=(*values.arguments, *values_of(others)),
        facts=values.facts,
        meters=values.meters,
        reason=reason,
        policies=tuple(operator.get("policies") or ()),
    )


def _of_a_model(operator: Mapping[str, Any], setting: Setting, reason: str) -> Asked:
    """Whether a model may be asked, with what was used of models until then."""
    model, meters = str(operator[MODEL]), fields_of(operator.get("meters"))
    used = tuple(Shown(name, value, _used(name, value)) for name, value in meters.items())
    details = (Shown("model", model, model),)
    policies = tuple(operator.get("policies") or ())
    return Asked(f"{setting.agent} asks {model}", "", "", details, (), used, reason, policies)


def _used(meter: str, value: int) -> str:
    return f"{value / 1e6:.4f} USD" if meter.endswith("_micro_usd") else f"{value:,}"


def values_of_call(tool: str, given: Mapping[str, Any], setting: Setting) -> Values:
    """The `arguments`, `origins`, `facts` and `meters` of a call as people read them."""
    spec = setting.spec_of(tool)
    inputs = _properties(spec.input_schema if spec else None)
    origins: Mapping[str, str] = given.get("origins") or {}
    arguments = fields_of(given.get("arguments"))
    return Values(
        tuple(_argument(name, value, inputs.get(name, {}), origins, setting) for name, value in arguments.items()),
        values_of(given.get("facts"), spec.facts_schema if spec else None),
        tuple(_counted(given.get("meters") or {}, inputs, setting.meters_of(tool))),
    )


def values_of(values: Any, schema: Mapping[str, Any] | None = None) -> tuple[Shown, ...]:
    """The fields of an object by what its schema says they are; none where it is no object."""
    properties = _properties(schema)
    fields = fields_of(values)
    return tuple(Shown(name, value, shown(value, properties.get(name, {}))) for name, value in fields.items())


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of an object; none of anything else."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def shown(value: Any, schema: Mapping[str, Any]) -> str:
    """A value as people read it: money in units with its currency, texts as they are, everything else as JSON."""
    if isinstance(value, int) and not isinstance(value, bool) and schema.get("x-lichen-unit") == "minor":
        return f"{value / MINOR_PER_MAJOR:,.2f} {schema.get('x-lichen-currency', '')}".rstrip()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def line(details: Iterable[Shown]) -> str:
    """All of it on one line: `amount 80.00 EUR  order_id 1042`."""
    return "  ".join(f"{detail.name} {detail.text}" for detail in details)


def _properties(schema: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    return dict(schema.get("properties", {})) if schema else {}


def _counted(
    used: Mapping[str, int], inputs: Mapping[str, Mapping[str, Any]], meters: Iterable[Meter]
) -> Iterable[Shown]:
    """What the meters had counted before this call, in the unit of what they count."""
    units = {meter.name: inputs.get(meter.amount or "", {}) for meter in meters}
    return (Shown(name, value, shown(value, units.get(name, {}))) for name, value in used.items())


# -- where an argument came from ---------------------------------------------------------------------------------


def _argument(name: str, value: Any, schema: Mapping[str, Any], origins: Mapping[str, str], setting: Setting) -> Shown:
    """An argument with the least trusted of its sources: an object has one for each of its parts."""
    own = [origin for path, origin in origins.items() if path == name or path.startswith(f"{name}.")]
    origin = next((each for each in own if not _is_vouched(each, setting)), own[0] if own else "")
    vouched = bool(own) and _is_vouched(origin, setting)
    return Shown(name, value, shown(value, schema), origin, _whence(origin, setting), vouched)


def _is_vouched(origin: str, setting: Setting) -> bool:
    kind, _, who = origin.partition(":")
    return kind in _VOUCHED and not (kind == "customer" and setting.name_of(who).startswith(_UNVERIFIED))


def _whence(origin: str, setting: Setting) -> str:
    kind, _, rest = origin.partition(":")
    match kind:
        case "customer" if setting.name_of(rest).startswith(_UNVERIFIED):
            return "the words of a visitor nobody vouches for"
        case "customer":
            return "the customer’s own words"
        case "operator" | "service":
            return f"the words of {'an operator' if kind == 'operator' else 'a service'}"
        case "tool":
            return f"a record of {rest}"
        case "third_party":
            return "a stranger’s text"
        case "model":
            return _PLANNED[setting.kind]
        case _:
            return "unknown"


_PLANNED: Mapping[PlannerKind, str] = cast(
    Mapping[PlannerKind, str],
    {
        "llm": "the model: nobody said this",
        "flow": "worked out by the flow",
        "rules": "worked out by the rules",
        "own": "worked out by the agent’s code",
    },
)
