"""Where an agent that is a file comes from, and how the same is made of other text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lichen.core.call import Tool

if TYPE_CHECKING:
    from lichen.agents.agent import Agent


class Source(NamedTuple):
    """The files an agent was made of, by path, and what makes one of them again.

    `again` raises Invalid where the files make no agent. `tools` are all it could be given.
    """

    files: Mapping[str, bytes]
    again: Callable[[Mapping[str, bytes]], Agent]
    tools: tuple[Tool, ...] = ()
