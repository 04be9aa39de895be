"""The points between the network and the log at which a process may die, in the order a message passes them."""

from __future__ import annotations

from typing import Final

TAKEN: Final = "ingress.taken"  # read and understood; nothing is written
DURABLE: Final = "ingress.durable"  # written; nobody is told
READ: Final = "egress.read"  # before a page or frame is built
SENT: Final = "egress.sent"  # a frame went out; not recorded
CONFIRMED: Final = "egress.confirmed"  # recorded

POINTS: Final = (TAKEN, DURABLE, READ, SENT, CONFIRMED)
"""Every one of them: what the crash suite kills the process at."""
