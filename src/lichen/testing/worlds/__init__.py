"""Worlds to test agents, tools and policies in: the real runtime, with its time, chance and models in the test's hands.

Others take `world`, `project_world` and what they give: `World`, `Talk`, `Reply`.
"""

from lichen.testing.models import ScriptedModel
from lichen.testing.worlds.clock import WorldClock
from lichen.testing.worlds.live import LiveClock
from lichen.testing.worlds.opening import project_world, world
from lichen.testing.worlds.plain import as_sync
from lichen.testing.worlds.talk import Reply, Talk
from lichen.testing.worlds.world import World

__all__ = ["LiveClock", "Reply", "ScriptedModel", "Talk", "World", "WorldClock", "as_sync", "project_world", "world"]
