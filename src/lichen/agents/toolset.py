"""Toolsets: named groups of tools, and the small wrappers that make one group from another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from lichen.agents.overlay import Overlay, overlaid
from lichen.agents.renaming import Renamed as Renamed
from lichen.agents.renaming import renamed as renamed
from lichen.core.ports.call import Tool, ToolSpec
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.tools.spec import tool_invalid


@dataclass(frozen=True, slots=True, init=False)
class Toolset:
    """Tools that belong together. Immutable: every method gives a new set, and the tools stay the same objects.

    An agent given a set sees just the tools in it. Raises Invalid (`toolset_invalid`) for two tools of one name.
    """

    name: str
    tools: tuple[Tool, ...]

    def __init__(self, name: str, tools: Iterable[Tool | Toolset]) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "tools", tuple(flattened(tools)))
        twice = repeated(self.tools)
        if twice is not None:
            step = "Leave one out, or give it another name with `with_prefix`."
            raise Invalid(f"Toolset {name!r} has two tools named {twice}.", code="toolset_invalid", next_step=step)

    @classmethod
    def of(cls, service: object, *, name: str | None = None) -> Toolset:
        """The methods of a service that `@tool` made tools: `Toolset.of(Orders(db))`. Of a class the runtime makes the
        instance, without arguments, one for all of its tools.

        Raises Invalid (`toolset_invalid`, place file:line) for a class that has none, and one that wants arguments.
        """
        from lichen.tools.python.service import service_name, tools_of  # pydantic, for toolsets of services only

        return Toolset(name or service_name(service), tools_of(service))

    def only(self, *names: str) -> Toolset:
        """The named tools, in the order named. A name may leave out what precedes its last dot.

        Raises Invalid (`tool_unknown`) for a name that no tool, or more than one, has.
        """
        return Toolset(self.name, [self[name] for name in names])

    def without(self, *names: str) -> Toolset:
        """All tools but the named ones. Raises Invalid (`tool_unknown`) as `only` does."""
        gone = {self[name].spec.name for name in names}
        return self._where(lambda spec: spec.name not in gone)

    def tagged(self, *tags: str) -> Toolset:
        """The tools that carry all of these tags."""
        return self._where(lambda spec: set(tags) <= set(spec.tags))

    def with_prefix(self, prefix: str) -> Toolset:
        """The same tools under `prefix.<last part of the name>`: the names that models, policies and logs will see.

        Raises Invalid (`tool_invalid`) when that is no tool name.
        """
        return Toolset(self.name, [renamed(tool, f"{prefix}.{_last(tool.spec.name)}") for tool in self.tools])

    def overlaid(self, name: str, **said: Any) -> Toolset:
        """The same set, one of its tools stricter or in other words: `tools.overlaid("refund", timeout_s=5)`.

        `said` is what an `Overlay` holds. Raises Invalid (`tool_unknown`; `tool_invalid` for what would be laxer).
        """
        own = self[name]
        overlay = msgspec.convert(said, Overlay)
        return Toolset(self.name, [overlaid(tool, overlay) if tool is own else tool for tool in self.tools])

    def matching(self, pattern: str) -> Toolset:
        """The tools of these names: one, or with `orders.*` all whose name begins so.

        Raises Invalid (`tool_unknown`) for a pattern that no tool fits.
        """
        if not pattern.endswith(".*"):
            return self.only(pattern)
        found = self._where(lambda spec: spec.name.startswith(pattern[:-1]))
        if not found.tools:
            step = f"Choose from: {', '.join(tool.spec.name for tool in self.tools)}."
            raise Invalid(f"Toolset {self.name!r} has no tools {pattern!r}.", code="tool_unknown", next_step=step)
        return found

    def _where(self, keep: Callable[[ToolSpec], bool]) -> Toolset:
        return Toolset(self.name, [tool for tool in self.tools if keep(tool.spec)])

    def __getitem__(self, name: str) -> Tool:
        found = [tool for tool in self.tools if name in (tool.spec.name, _last(tool.spec.name))]
        if len(found) != 1:
            message = f"Toolset {self.name!r} has {len(found) or 'no'} tools named {name!r}."
            step = f"Choose from: {', '.join(tool.spec.name for tool in self.tools)}."
            raise Invalid(message, code="tool_unknown", next_step=step)
        return found[0]

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)


def flattened(tools: Iterable[Tool | Toolset]) -> Iterator[Tool]:
    """The tools, those of toolsets in their place."""
    for tool in tools:
        if isinstance(tool, Toolset):
            yield from tool.tools
        elif isinstance(getattr(tool, "spec", None), ToolSpec):
            yield tool
        else:
            message = f"{getattr(tool, '__name__', type(tool).__name__)} is not a tool."
            raise tool_invalid(message, place=None, next_step="Decorate the function with @tool.")


def repeated(tools: Iterable[Tool]) -> ToolName | None:
    """The first name that two of the tools share."""
    names = [tool.spec.name for tool in tools]
    return next((name for name in names if names.count(name) > 1), None)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
