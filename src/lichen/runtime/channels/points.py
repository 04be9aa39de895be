"""The points between a platform and the log at which a process may die, in the order a message passes them."""

from __future__ import annotations

from typing import Final

TAKEN: Final = "hook.taken"  # verified and understood; nothing is written
OPENED: Final = "hook.opened"  # its session is there
DURABLE: Final = "hook.durable"  # written; the platform is not told

POINTS: Final = (TAKEN, OPENED, DURABLE)
"""Every one of them: what the crash suite kills the process at."""
