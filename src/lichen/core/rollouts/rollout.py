"""A pack's rollout in a scope: its revisions, and how they shared what began, folded from what was noted.

Source: Greentic operator, revisions and traffic splits in basis points that sum to 10,000.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

WHOLE_BPS: Final = 10_000
SHARES_MAX: Final = 8  # revisions that are in traffic at once
SPLITS_MAX: Final = 1_000  # that are remembered; whoever is older has the oldest of them
VERSION_CHARS_MAX: Final = 64

Stage = Literal["staged", "ready", "failed", "draining", "archived"]
Act = Literal["staged", "ready", "failed", "archived", "traffic", "draining", "rollback", "recall"]
"""What is noted. `traffic` says how conversations are shared that begin from now on, `draining` also which revision
has no more of them, `rollback` that an earlier sharing is back, `recall` that open conversations follow it too."""

_NAME: Final = re.compile(r"([a-z]+):([^:=,\s]{1,128}):([^:\s]*)")
_SHARE: Final = re.compile(r"([^=]+)=([0-9]{1,5})", re.ASCII)


class Share(NamedTuple):
    """So many of 10,000 conversations have this version."""

    version: str
    bps: int


class Split(msgspec.Struct, frozen=True):
    """How conversations are shared that begin from then on; `shares` are empty where the project's own file counts.
    `recalls`: those that were open then follow it as well."""

    since_us: int
    shares: tuple[Share, ...] = ()
    recalls: bool = False


class Revision(msgspec.Struct, frozen=True):
    """A version of a pack: the digest of the very file, how it stands, since when, and in which record that was
    noted."""

    version: str
    digest: str
    stage: Stage
    since_us: int
    n: int


class Rollout(msgspec.Struct, frozen=True):
    """A pack in a scope. `splits` are in the order of their times."""

    revisions: Mapping[str, Revision] = {}
    splits: tuple[Split, ...] = ()

    @property
    def shares(self) -> tuple[Share, ...]:
        """How conversations are shared that begin now; empty where the project's own file counts."""
        return self.splits[-1].shares if self.splits else ()


class Noted(NamedTuple):
    """What one record says: the version it is about, if it is about one, and the sharing, if it changes that."""

    act: Act
    pack: str
    version: str = ""
    shares: tuple[Share, ...] | None = None


def named(noted: Noted) -> str:
    """What was noted as the name of a change: `traffic:shop.desk:1.0.0=9000,1.1.0=1000`."""
    shares = () if noted.shares is None else noted.shares
    told = [noted.version] if noted.version else []
    return f"{noted.act}:{noted.pack}:{','.join((*told, *(f'{each.version}={each.bps}' for each in shares)))}"


def read(name: str) -> Noted | None:
    """What the name of a change says; None for what no rollout is noted as."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    act, pack, said = found.groups()
    parts = [part for part in said.split(",") if part]
    weighed = [_SHARE.fullmatch(part) for part in parts if "=" in part]
    shares = tuple(Share(each[1], int(each[2])) for each in weighed if each is not None)
    if len(shares) < len(weighed):
        return None
    version = next((part for part in parts if "=" not in part), "")
    match act:
        case "staged" | "ready" | "failed" | "archived" if version and not shares:
            return Noted(act, pack, version)
        case "traffic" | "rollback" | "recall" if not version and is_whole(shares):
            return Noted(act, pack, "", shares)
        case "draining" if version and is_whole(shares):
            return Noted(act, pack, version, shares)
        case _:
            return None


def is_whole(shares: Sequence[Share]) -> bool:
    """Whether shares are of everything, and of different versions; nothing at all is the project's own file."""
    versions = {share.version for share in shares}
    are_apart = len(versions) == len(shares) <= SHARES_MAX and all(share.bps > 0 for share in shares)
    return not shares or (are_apart and sum(share.bps for share in shares) == WHOLE_BPS)


def evolve(rollouts: Mapping[str, Rollout], name: str, digest: str, *, at_us: int, n: int) -> Mapping[str, Rollout]:
    """The rollouts of a scope, by pack, after a change of this name was noted."""
    noted = read(name)
    if noted is None:
        return rollouts
    rollout = rollouts.get(noted.pack, Rollout())
    revisions, splits = dict(rollout.revisions), rollout.splits
    known = revisions.get(noted.version)
    match noted.act:
        case "staged":
            revisions[noted.version] = Revision(noted.version, digest, "staged", at_us, n)
        case "ready" | "failed" | "draining" | "archived" if known is not None:
            revisions[noted.version] = msgspec.structs.replace(known, stage=noted.act, since_us=at_us, n=n)
        case _:
            pass
    if noted.shares is not None:
        splits = (*splits, Split(at_us, noted.shares, noted.act == "recall"))[-SPLITS_MAX:]
        for share in noted.shares:
            back = revisions.get(share.version)
            if back is not None and back.stage == "draining":
                revisions[share.version] = msgspec.structs.replace(back, stage="ready", since_us=at_us, n=n)
    return {**rollouts, noted.pack: Rollout(revisions, splits)}
