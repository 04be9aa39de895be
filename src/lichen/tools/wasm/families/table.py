"""Which family a component is asked by: the first of the table that it is of. The others are told, and not used."""

from __future__ import annotations

from typing import Final, NamedTuple

from lichen.tools.wasm.families.bare import Bare
from lichen.tools.wasm.families.blobs import Blobs
from lichen.tools.wasm.families.messages import Messages
from lichen.tools.wasm.families.node_cbor import NodeCbor
from lichen.tools.wasm.families.node_json import NodeJson
from lichen.tools.wasm.families.provider import Ingress, SchemaCore
from lichen.tools.wasm.families.router import Router
from lichen.tools.wasm.families.validator import Validator
from lichen.tools.wasm.port import Exports, Family

FAMILIES: Final[tuple[Family, ...]] = (
    NodeCbor(),
    Blobs("component@0.6.1", "0.6.1", ("descriptor", "runtime", "qa", "component-i18n")),
    SchemaCore(),
    NodeJson("0.5.0"),
    NodeJson("0.4.0"),
    Router("25.6.18"),
    Router("0.0.5", wraps_json=True),
    Blobs(
        "component@0.6.0",
        "0.6.0",
        ("component-descriptor", "component-runtime", "component-schema", "component-qa", "component-i18n"),
    ),
    Ingress(),
    Validator(),
    Messages(),
    Bare(),
)
"""The newest way to ask comes first, and what says more of itself before what says less."""


class Spoken(NamedTuple):
    """The family that a component is asked by, the interface it was found by, and the others that it is of."""

    family: Family
    interface: str
    others: tuple[str, ...] = ()


def spoken(exports: Exports) -> Spoken | None:
    """What is spoken with a component; None for one of no family that we know."""
    found = [(family, where) for family in FAMILIES if (where := family.fits(exports)) is not None]
    if not found:
        return None
    (family, where), *rest = found
    return Spoken(family, where, tuple(other.name for other, _ in rest))
