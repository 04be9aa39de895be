"""Which revision a conversation has: by its place among 10,000, and by how traffic was shared when it began."""

from __future__ import annotations

from lichen.core.rollouts.rollout import WHOLE_BPS, Rollout, Split

_USABLE = ("ready", "draining")


def place_of(digest: bytes) -> int:
    """The place of a conversation among 10,000, by a keyed digest of what it is called: each is as likely."""
    return int.from_bytes(digest, "big") % WHOLE_BPS


def chosen(rollout: Rollout, place: int, since_us: int | None) -> str:
    """The version that a conversation has which began then, None for now; empty for that of the project's own file.

    It stays with that until it is recalled. Where its revision was archived, or failed, it has one of those that
    conversations are shared among now; where none of those can be used either, the project's own.
    """
    if not rollout.splits:
        return ""
    version = at(_of(rollout, since_us), place)
    if not version or _is_usable(rollout, version):
        return version
    version = at(rollout.splits[-1], place)
    if not version or _is_usable(rollout, version):
        return version
    left = [share for share in rollout.shares if _is_usable(rollout, share.version)]
    return max(left, key=lambda share: share.bps).version if left else ""


def at(split: Split, place: int) -> str:
    """The version at a place: of 10,000 places each has exactly as many as its share says."""
    end = 0
    for share in split.shares:
        end += share.bps
        if place < end:
            return share.version
    return ""


def _of(rollout: Rollout, since_us: int | None) -> Split:
    """The sharing that was in force then, or that all were recalled to since."""
    found = rollout.splits[0]
    for split in rollout.splits:
        if since_us is None or split.recalls or split.since_us <= since_us:
            found = split
    return found


def _is_usable(rollout: Rollout, version: str) -> bool:
    known = rollout.revisions.get(version)
    return known is not None and known.stage in _USABLE
