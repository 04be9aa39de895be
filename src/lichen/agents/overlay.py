"""Overlays: what an agent says of a tool beside its author, for itself alone. It may be stricter, never laxer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from lichen.agents.renaming import Renamed
from lichen.core.ports.call import Effects, Origin, Tool, ToolSpec
from lichen.tools.faults import Fault, faults
from lichen.tools.spec import pinned, tool_invalid

STRICTNESS: Final = ("none", "idempotent", "once")


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Other words for a model or for people (`description`, `reminder`, `call_hint`, `result_hint`), a question to the
    customer (`confirm`), and stricter terms: less time, fewer attempts, a higher cost, effects that may be repeated
    less, words that count as a stranger's, more tags and audited fields. None leaves it as it is.
    """

    description: str | None = None
    reminder: str | None = None
    call_hint: str | None = None
    result_hint: str | None = None
    confirm: str | None = None
    timeout_s: float | None = None
    attempts: int | None = None
    cost: int | None = None
    effects: Effects | None = None
    origin: Origin | None = None
    tags: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()


@runtime_checkable
class Respecced(Protocol):
    """A tool that knows how to take another contract itself."""

    def with_spec(self, spec: ToolSpec) -> Tool:
        """The same tool under this contract."""
        ...


def overlaid(tool: Tool, overlay: Overlay) -> Tool:
    """The tool with what the overlay says. Raises Invalid (`tool_invalid`) for what is laxer or cannot be meant."""
    said = msgspec.to_builtins(overlay)
    if not said:
        return tool
    spec = tool.spec
    for message, step in _laxer(spec, overlay):
        raise tool_invalid(message, place=spec.name, next_step=step)
    changed = msgspec.structs.replace(spec, **_changes(spec, overlay, said))
    for message, step in faults(changed):
        raise tool_invalid(message, place=spec.name, next_step=step)
    if isinstance(tool, Respecced):
        return tool.with_spec(changed)
    return Renamed(tool.tool if isinstance(tool, Renamed) else tool, pinned(changed))


def _changes(spec: ToolSpec, overlay: Overlay, said: dict[str, Any]) -> dict[str, Any]:
    changes = {name: getattr(overlay, name) for name in said if name not in ("attempts", "tags", "audit")}
    if overlay.attempts is not None:
        changes["retry"] = msgspec.structs.replace(spec.retry, attempts=overlay.attempts)
    for name in ("tags", "audit"):
        changes[name] = tuple(dict.fromkeys((*getattr(spec, name), *getattr(overlay, name))))
    return changes


def _laxer(spec: ToolSpec, overlay: Overlay) -> Iterator[Fault]:
    if overlay.timeout_s is not None and not 0 < overlay.timeout_s <= spec.timeout_s:
        yield "An overlay may shorten a tool's time only.", f"Use more than 0 and at most {spec.timeout_s:g} seconds."
    if overlay.attempts is not None and not 1 <= overlay.attempts <= spec.retry.attempts:
        yield "An overlay may take attempts away only.", f"Use 1 to {spec.retry.attempts}."
    if overlay.cost is not None and overlay.cost < spec.cost:
        yield "An overlay may make a tool dearer only.", f"Use at least {spec.cost}."
    if overlay.effects is not None and not _is_stricter(spec.effects, overlay.effects):
        yield f"Effects {spec.effects} cannot become {overlay.effects}.", f"The order is {', '.join(STRICTNESS)}."
    if overlay.origin not in (None, "third_party", spec.origin):
        yield "A stranger's words do not become records of yours.", "Leave out origin."
    if overlay.confirm == "" and spec.confirm:
        yield "An overlay may ask another question, and does not take one away.", "Leave out confirm."
    properties = spec.input_schema.get("properties", {})
    if missing := next((name for name in overlay.audit if name not in properties), None):
        yield f"audit names {missing!r}, which is no parameter.", "Name parameters of the tool."


def _is_stricter(now: Effects, wanted: Effects) -> bool:
    if now not in STRICTNESS or wanted not in STRICTNESS:
        return now == wanted
    return STRICTNESS.index(wanted) >= STRICTNESS.index(now)
