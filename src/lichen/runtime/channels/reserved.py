"""Which files of a project no channel may write to: what `lichen.toml` names, what is secret, what is not its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.settings.file import FILE, FlowFile, Settings
from lichen.settings.mcpfiles import McpFile
from lichen.settings.secrets import sources_in
from lichen.settings.words.files import FOLDER as WORDS

BEGINNING_BYTES: Final = 64 * 1024
OWN_FIELDS: Final = frozenset({"id", "ts_us", "kind", "to", "text"})
"""What a line that a channel wrote has."""


def wrong_with_target(target: Path, settings: Settings) -> Invalid | None:
    """Why a channel may not add to this file of the project, by whatever name or link it is led there."""
    real, root = target.resolve(), settings.root.resolve()
    aside = real.with_name(f"{real.name}.1")
    for path, what in _reserved(settings):
        if any(_overlap(each, path.resolve()) for each in (real, aside)):
            return _refused(f"This is, or has in it, {what}.")
    if any(part.startswith(".") for part in (*_parts(target, root), *_parts(real, root))):
        return _refused("Files and folders whose names begin with a dot are other programs'.")
    if any(not _is_own(each) for each in (real, aside)):
        return _refused("There is something already that no channel wrote.")
    return None


def _reserved(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Every file and folder that the project is made of, and what it is."""
    root, parts = settings.root, settings.parts
    yield from ((path, FILE) for path in (settings.file, root / FILE) if path is not None)
    yield settings.home, "the data directory"
    yield root / WORDS, "the project's own words"
    for name in (*parts.agents, *parts.tools):
        yield root / name.partition(":")[0], "a part of the project"
    for flow in parts.flows:
        pattern = flow.file if isinstance(flow, FlowFile) else flow
        yield from ((path, "a flow") for path in root.glob(pattern))
    for other in parts.mcp_files:
        yield root / (other.file if isinstance(other, McpFile) else other), "a file of MCP servers"
    if parts.prompts is not None:
        yield root / parts.prompts, "the project's prompts"
    yield from _of_tenants(settings)
    for api in settings.openapi:
        yield root / api.document, "the document of an API"
    for component in settings.components:
        yield root / component.file, "a component"
    yield from ((root / each.keys, "keys of an issuer") for each in settings.issuers if each.keys)
    yield from ((root / each.key, "a key of packs") for each in settings.packs.trust)
    known = (each.known for each in settings.agentpin)
    keys = (each.schemapin_from for each in settings.mcp)
    yield from ((root / each, "keys of others") for each in (*known, *keys) if each)


def _of_tenants(settings: Settings) -> Iterator[tuple[Path, str]]:
    for tenant in settings.tenants.values():
        if tenant.policies is not None:
            yield settings.root / tenant.policies, "policies"
        mounted = (source for _, source in sources_in(tenant.secrets) if source.kind == "mounted")
        yield from ((Path(source.detail.partition("@")[0].partition("#")[0]), "secrets") for source in mounted)


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    return path.relative_to(root).parts if path.is_relative_to(root) else ()


def _is_own(path: Path) -> bool:
    """Whether a file is not there, is empty, or begins with a line that a channel wrote, be it cut off."""
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING_BYTES)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    first, newline, _ = beginning.partition(b"\n")
    if not newline:
        return beginning[:7] == b'{"id":"'[: len(beginning)]
    try:
        found: Any = msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return first.startswith(b'{"id":"')  # a death cut it off, and another line was begun
    return isinstance(found, Mapping) and cast("Mapping[str, Any]", found).keys() >= OWN_FIELDS


def _refused(message: str) -> Invalid:
    step = "Name a file that is the channel's alone, such as out/answers.jsonl."
    return Invalid(message, code="path_reserved", next_step=step)
