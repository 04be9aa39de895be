"""Attempts at a plan that asked a model and were never heard of again: after a crash, a cancel or a new message."""

from __future__ import annotations

from lichen.core.deciders import moves
from lichen.engine.act import Act


def settle_lost(act: Act) -> bool:
    """Bills such an attempt of the run with what was reserved for it, as an estimate. Whether there was one."""
    drafts = moves.lost(act.state)
    if drafts:
        act.note(*drafts)
        act.look()
    return bool(drafts)
