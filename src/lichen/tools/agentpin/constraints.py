"""What limits an agent, and whether a credential limits it as much as its owner's declaration does.

Source: AgentPin specification 0.1, constraint claims and enforcement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any, Final, cast

from lichen.tools.pins.verify import covers

CLASSES: Final = ("public", "internal", "confidential", "restricted")
_PER_HOUR: Final = {"second": 3_600, "minute": 60, "hour": 1}
ITEMS_MAX: Final = 1_000


def loosened(declared: Mapping[str, Any], claimed: Mapping[str, Any]) -> str | None:
    """The first constraint that a credential has looser than the declaration, or that cannot be compared."""
    for name, holds in _HOLDS.items():
        if name not in declared or name not in claimed:
            continue  # what a credential does not speak of is as it was declared
        try:
            if not holds(declared[name], claimed[name]):
                return name
        except (TypeError, ValueError, KeyError, AttributeError):
            return name
    return None


def effective(declared: Mapping[str, Any], claimed: Mapping[str, Any]) -> Mapping[str, Any]:
    """What limits the agent in the end."""
    return {**declared, **claimed}


def lets_reach(limits: Mapping[str, Any], domain: str) -> bool:
    """Whether an agent that is limited so may speak to a domain."""
    try:
        allowed, denied = (_items(limits.get(name, [])) for name in ("allowed_domains", "denied_domains"))
    except (TypeError, ValueError):
        return False
    is_allowed = not allowed or any(domain == each or covers(each, domain) for each in allowed)
    return is_allowed and not any(domain == each or covers(each, domain) for each in denied)


def _domains(declared: Any, claimed: Any) -> bool:
    allowed = _items(declared)
    if not allowed:
        return True
    wanted = _items(claimed)
    return bool(wanted) and all(any(each == one or covers(one, each) for one in allowed) for each in wanted)


def _denied(declared: Any, claimed: Any) -> bool:
    still = _items(claimed)
    return all(any(each == one or covers(one, each) for one in still) for each in _items(declared))


def _rate(declared: Any, claimed: Any) -> bool:
    return 0 <= _per_hour(claimed) <= _per_hour(declared)


def _per_hour(rate: str) -> int:
    count, _, period = rate.partition("/")
    return int(count) * _PER_HOUR[period]


def _class(declared: Any, claimed: Any) -> bool:
    return CLASSES.index(claimed) <= CLASSES.index(declared)


def _networks(declared: Any, claimed: Any) -> bool:
    allowed = [ip_network(each) for each in _items(declared)]
    wanted = [ip_network(each) for each in _items(claimed)]
    return bool(wanted) and all(
        any(each.version == one.version and each.subnet_of(cast("Any", one)) for one in allowed) for each in wanted
    )


def _hours(declared: Any, claimed: Any) -> bool:
    if declared.get("timezone", "UTC") != claimed.get("timezone", "UTC"):
        return False
    times = [_minutes(each[end]) for each in (declared, claimed) for end in ("start", "end")]
    return times[0] <= times[2] <= times[3] <= times[1]


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    if len(time) != 5 or int(hours) > 24 or int(minutes) > 59:
        raise ValueError(time)
    return int(hours) * 60 + int(minutes)


def _items(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(type(value).__name__)
    items = [*cast("list[Any]", value)]
    if len(items) > ITEMS_MAX or not all(isinstance(each, str) for each in items):
        raise ValueError("items")
    return items


_HOLDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "allowed_domains": _domains,
    "denied_domains": _denied,
    "rate_limit": _rate,
    "data_classification_max": _class,
    "ip_allowlist": _networks,
    "valid_hours": _hours,
}
