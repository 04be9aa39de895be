"""What lies in a bundle's folder: its packs, and the rules of its tenants and their teams."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lichen.core.words.errors import Invalid

FILES_MAX: Final = 10_000
SUFFIX: Final = ".gtpack"
_ENDS: Final = (".json", SUFFIX, ".yaml", ".yml")


class Rules(NamedTuple):
    """The files with the rules of a tenant and, by name, of its teams; empty where there is none."""

    tenant: str
    teams: dict[str, str]


class Listed(NamedTuple):
    """Paths within the folder, in order."""

    packs: tuple[str, ...]
    providers: tuple[str, ...]
    scoped: tuple[str, ...]  # packs of one tenant or team
    tenants: dict[str, Rules]
    setups: tuple[str, ...]


def listed(root: Path) -> Listed:
    """What is in it. Raises Invalid (`bundle_too_large`)."""
    files = sorted(_files(root))
    packs = [path for path in files if path.endswith(SUFFIX)]
    packs += [path.rpartition("/")[0] for path in files if re.fullmatch(r"packs/[^/]+/pack\.yaml", path)]
    tenants = {name: _rules(files, name) for name in sorted({p.split("/")[1] for p in files if _is_of_tenant(p)})}
    return Listed(
        tuple(path for path in packs if path.startswith("packs/")),
        tuple(path for path in packs if path.startswith("providers/")),
        tuple(path for path in packs if path.startswith("tenants/")),
        tenants,
        tuple(path for path in files if path.startswith("state/setup/") and path.endswith(".json")),
    )


def pack_id(reference: str) -> str:
    """What upstream calls the pack of a reference, in rules and as a file.

    Source: `inferred_access_pack_id` of greentic-bundle.
    """
    name = reference.rstrip("/").rpartition("/")[2].split("@")[0].split(":")[0]
    for end in _ENDS:
        name = name.removesuffix(end)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _is_of_tenant(path: str) -> bool:
    return path.startswith("tenants/") and path.count("/") >= 2


def _rules(files: list[str], tenant: str) -> Rules:
    own = f"tenants/{tenant}/tenant.gmap"
    found = (re.fullmatch(rf"tenants/{re.escape(tenant)}/teams/([^/]+)/team\.gmap", path) for path in files)
    teams = {each[1]: each[0] for each in found if each is not None}
    return Rules(own if own in files else "", teams)


def _files(root: Path) -> Iterator[str]:
    """The files below the folders that matter; folders that are links are not entered."""
    count = 0
    for name in ("packs", "providers", "tenants", "state/setup"):
        for folder, inner, files in os.walk(root / name, followlinks=False):
            inner.sort()
            count += len(files) + len(inner)
            if count > FILES_MAX:
                message, step = f"It has more than {FILES_MAX} files.", "Leave out of it what is no part of a bundle."
                raise Invalid(message, code="bundle_too_large", place=str(root), next_step=step)
            for file in files:
                yield (Path(folder) / file).relative_to(root).as_posix()
