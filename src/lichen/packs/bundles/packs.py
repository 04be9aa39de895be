"""The packs of a bundle: which files they are, and which one a reference means.

Source: `materialize_reference_into` of greentic-bundle: a reference to `oci://…/shop:1`
lies in `packs/shop.gtpack`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from lichen.settings.bundles.listing import SUFFIX, pack_id

REMOTE: Final = ("oci://", "repo://", "store://", "https://", "http://")


def is_remote(reference: str) -> bool:
    """Whether a reference is to something elsewhere."""
    return reference.startswith(REMOTE)


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
