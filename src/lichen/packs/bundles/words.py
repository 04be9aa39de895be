"""What tools say of a bundle beside `bundle.yaml`: its manifest, its lock, and the answers that set its providers up.

Source: `BundleManifest` and `BundleLock` of greentic-bundle, format `gtbundle-v1`; `PersistedSetupState` of its setup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.settings.bundles.words import Strict, Text

FORMAT: Final = "gtbundle-v1"
MANIFEST: Final = "bundle-manifest.json"
LOCK: Final = "bundle-lock.json"
WORKSPACE_LOCK: Final = "bundle.lock.json"
SETUP: Final = "state/setup/"
Texts = Annotated[tuple[Text, ...], msgspec.Meta(max_length=4_096)]


class Policy(Strict, frozen=True):
    """What a target may do with a pack: `public`, `forbidden`, or `unset`."""

    reference: Text
    policy: Text


class Source(msgspec.Struct, frozen=True):
    """The files with the rules of a target."""

    tenant_gmap: Text
    team_gmap: Text | None = None


class Ruled(msgspec.Struct, frozen=True):
    """By which rules a target is served."""

    source: Source
    default: Text = "forbidden"


class Resolved(msgspec.Struct, frozen=True):
    """A file below `resolved/`, which upstream's tools write from the rules; other keys may be there."""

    tenant: Text
    policy: Ruled
    team: Text | None = None
    app_packs: tuple[Policy, ...] = ()


class Target(Strict, frozen=True, omit_defaults=True):
    """A tenant, or a team of one, and the rules it is served by."""

    path: Text
    tenant: Text
    default_policy: Text
    tenant_gmap: Text
    team: Text | None = None
    team_gmap: Text | None = None
    app_pack_policies: tuple[Policy, ...] = ()


class Manifest(Strict, frozen=True):
    """`bundle-manifest.json`."""

    format_version: Text
    bundle_id: Text
    bundle_name: Text
    requested_mode: Text
    locale: Text
    artifact_extension: Text
    generated_resolved_files: Texts = ()
    generated_setup_files: Texts = ()
    app_packs: Texts = ()
    extension_providers: Texts = ()
    catalogs: Texts = ()
    hooks: Texts = ()
    subscriptions: Texts = ()
    capabilities: Texts = ()
    resolved_targets: Annotated[tuple[Target, ...], msgspec.Meta(max_length=4_096)] = ()


class CatalogLock(Strict, frozen=True, omit_defaults=True):
    """A catalog as it was when it was read."""

    requested_ref: Text
    resolved_ref: Text
    digest: Text
    source: Text
    item_count: int
    item_ids: tuple[Text, ...]
    cache_path: Text | None = None


class PackLock(Strict, frozen=True, omit_defaults=True):
    """A pack, and which one it was when it was fetched."""

    reference: Text
    digest: Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")] | None = None


class Lock(Strict, frozen=True, omit_defaults=True):
    """`bundle-lock.json`, in a folder that is worked in `bundle.lock.json`."""

    schema_version: Literal[1]
    bundle_id: Text
    requested_mode: Text
    execution: Text
    cache_policy: Text
    tool_version: Text
    build_format_version: Text
    workspace_root: Text
    lock_file: Text
    catalogs: tuple[CatalogLock, ...]
    app_packs: tuple[PackLock, ...]
    extension_providers: tuple[PackLock, ...]
    setup_state_files: Texts
    env_id: Text | None = None


class Question(msgspec.Struct, frozen=True):
    """A question of a form, of which only this matters here."""

    id: Text
    secret: bool = False


class Form(msgspec.Struct, frozen=True):
    """What a provider asks to be set up."""

    questions: Annotated[tuple[Question, ...], msgspec.Meta(max_length=1_024)] = ()


class Setup(msgspec.Struct, frozen=True):
    """`state/setup/PROVIDER.json`: the answers that set a provider up. Other keys may be there."""

    provider_id: Text
    schema_version: int = 1
    source_kind: Text = ""
    form: Form = Form()
    normalized_answers: Mapping[str, Any] = {}
    non_secret_config: Mapping[str, Any] = {}
    secret_values: Mapping[str, Any] = {}
    secret_refs: Mapping[str, Any] = {}
