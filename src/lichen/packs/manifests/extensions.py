"""Extensions of a manifest: the kinds that are known, what each says, and what is wrong with it.

Source: Greentic `ExtensionRef`, and the kinds of its pack, provider, capability and route extensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.packs.manifests.cbor import pointer
from lichen.packs.manifests.words import Extension, Manifest

STRICT: Final = "GREENTIC_PACK_STRICT_EXTENSIONS"
CONTENTS: Final = "lichen.contents.v1"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]


class Contents(msgspec.Struct, frozen=True):
    """What a pack of Lichen carries beside flows and components, as paths in it."""

    flows: Mapping[str, Text] = {}  # sources by flow
    agents: tuple[Text, ...] = ()
    policies: tuple[Text, ...] = ()
    prompts: tuple[Text, ...] = ()
    knowledge: tuple[Text, ...] = ()
    assets: tuple[Text, ...] = ()


class PackMode(msgspec.Struct, frozen=True):
    """Whether a pack was built to be used, or to be worked on."""

    mode: Literal["prod", "dev"]


class ComponentManifest(msgspec.Struct, frozen=True):
    """Where the manifest of a component lies, and its SHA-256."""

    component_id: Text
    manifest_file: Text
    content_hash: Text
    encoding: str = "cbor"


class ComponentManifests(msgspec.Struct, frozen=True):
    """The manifests of a pack's components."""

    entries: tuple[ComponentManifest, ...]
    schema_version: int = 1


class ComponentSources(msgspec.Struct, frozen=True):
    """Where a pack's components come from."""

    components: tuple[Mapping[str, Any], ...]


class ProviderRuntime(msgspec.Struct, frozen=True):
    """The component that a provider runs in."""

    component_ref: Text
    export: Text
    world: Text


class Provider(msgspec.Struct, frozen=True):
    """One provider of a platform or a store."""

    provider_type: Text
    runtime: ProviderRuntime
    capabilities: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()
    config_schema_ref: str | None = None
    state_schema_ref: str | None = None
    docs_ref: str | None = None


class Providers(msgspec.Struct, frozen=True):
    """The providers of a pack."""

    providers: tuple[Provider, ...]


class Offered(msgspec.Struct, frozen=True):
    """Which operation of which component an offer is."""

    component_ref: Text
    op: Text


class Offer(msgspec.Struct, frozen=True):
    """A capability that a pack offers to others."""

    offer_id: Text
    cap_id: Text
    version: Text
    provider: Offered
    scope: Mapping[str, Any] | None = None
    priority: int = 0
    requires_setup: bool = False


class Offers(msgspec.Struct, frozen=True):
    """The capabilities that a pack offers."""

    offers: tuple[Offer, ...]
    schema_version: Literal[1] = 1


class StaticRoute(msgspec.Struct, frozen=True):
    """Files of a pack that are served."""

    id: Text
    public_path: Annotated[str, msgspec.Meta(pattern=r"^/v1/web/", max_length=512)]
    source_root: Text
    scope: Mapping[str, Any] | None = None
    index_file: str | None = None
    spa_fallback: str | None = None


class StaticRoutes(msgspec.Struct, frozen=True):
    """All files that are served."""

    routes: tuple[StaticRoute, ...]


Anything = Mapping[str, Any]
KINDS: Final[Mapping[str, Any]] = {
    CONTENTS: Contents,
    "greentic.pack-mode.v1": PackMode,
    "greentic.pack.component_manifests@v1": ComponentManifests,
    "greentic.pack.component_sources@v1": ComponentSources,
    "greentic.provider-extension.v1": Providers,
    "greentic.ext.provider": Providers,
    "greentic.ext.capabilities.v1": Offers,
    "greentic.static-routes.v1": StaticRoutes,
    "greentic.http-routes.v1": Anything,
    "greentic.messaging.validators.v1": Anything,
    "greentic.components": Anything,
    "messaging.provider_ingress.v1": Anything,
    "messaging.provider_flow_hints": Anything,
}
"""What the `inline` of each known kind says."""


class Flaw(NamedTuple):
    """What is wrong with an extension, and where in the manifest."""

    kind: Literal["unknown", "invalid"]
    pointer: str
    message: str


def flaws(manifest: Manifest) -> Iterator[Flaw]:
    """What is wrong with the extensions of a manifest: unknown kinds, and known ones that say something else."""
    for name, each in manifest.extensions.items():
        at = ("extensions", name)
        if each.kind not in KINDS:
            yield Flaw("unknown", pointer((*at, "kind")), f"No extension of the kind {each.kind!r} is known.")
        elif each.inline is not None:
            found = _misfit(each)
            if found is not None:
                yield Flaw("invalid", pointer((*at, "inline")) + found[0], found[1])


def told(manifest: Manifest, kind: str) -> Any:
    """What the extension of a known kind says, as its type; None where there is none, or it does not fit."""
    found = manifest.extension(kind)
    if found is None or found.inline is None or _misfit(found) is not None:
        return None
    return msgspec.convert(found.inline, KINDS[kind])


def contents_of(manifest: Manifest) -> Contents:
    """What a pack carries beside flows and components."""
    found: Contents | None = told(manifest, CONTENTS)
    return found or Contents()


def _misfit(extension: Extension) -> tuple[str, str] | None:
    try:
        msgspec.convert(extension.inline, KINDS[extension.kind])
    except msgspec.ValidationError as error:
        found = misfit(error)
        return found.pointer, f"{found.message}."
    return None
