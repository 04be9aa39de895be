"""The packs of a bundle: which files they are, and which one a reference means.

Source: `inferred_access_pack_id` and `materialize_reference_into` of greentic-bundle: a reference to `oci://…/shop:1`
lies in `packs/shop.gtpack`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Final

REMOTE: Final = ("oci://", "repo://", "store://", "https://", "http://")
SUFFIX: Final = ".gtpack"
_ENDS: Final = (".json", SUFFIX, ".yaml", ".yml")


def is_remote(reference: str) -> bool:
    """Whether a reference is to something elsewhere."""
    return reference.startswith(REMOTE)


def pack_id(reference: str) -> str:
    """What upstream calls the pack of a reference, in rules and as a file."""
    name = reference.rstrip("/").rpartition("/")[2].split("@")[0].split(":")[0]
    for end in _ENDS:
        name = name.removesuffix(end)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def file_of(files: Container[str], reference: str) -> str:
    """The file in a bundle that a reference means, empty where there is none."""
    plain = reference.removeprefix("file://").removeprefix("./")
    for path in (plain, f"packs/{pack_id(reference)}{SUFFIX}"):
        if path in files:
            return path
    return ""


def packs_in(files: Iterable[str]) -> tuple[str, ...]:
    """Every pack of a bundle, those of providers among them."""
    return tuple(path for path in files if path.endswith(SUFFIX))


def is_provider(path: str) -> bool:
    """Whether a pack is one of a provider's."""
    return path.startswith("providers/")


def scope_of(path: str) -> tuple[str, str]:
    """For which tenant and team a pack is there, empty for all."""
    steps = path.split("/")
    tenant = steps[1] if steps[0] == "tenants" and len(steps) > 2 else ""
    team = steps[3] if tenant and steps[2] == "teams" and len(steps) > 4 else ""
    return tenant, team
