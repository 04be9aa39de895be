"""What does not fit between a component that was built, the source beside it, and its manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from lichen.cli.components.looking import Finding, Seen
from lichen.cli.guests.building import stale
from lichen.cli.guests.source import ABOUT, Source, source_of
from lichen.cli.guests.toolchains import Toolchains
from lichen.core.components.capabilities import Capabilities
from lichen.core.words.errors import LichenError

_BUILD: Final = "Build it again: `lichen component build DIR`."
_WANTS: Final[Mapping[str, tuple[str, Callable[[Capabilities], bool]]]] = {
    "greentic:state/": ("state", lambda may: may.state_read or may.state_write or may.state_delete),
    "greentic:secrets-store/": ("secrets", lambda may: bool(may.secrets)),
    "greentic:http/": ("http", lambda may: may.http),
    "greentic:telemetry/": ("telemetry", lambda may: may.telemetry),
}


def with_source(held: Seen) -> Seen:
    """A component with what its folder says against it; the same where it lies in no folder that builds it."""
    folder = Path(held.place).parent
    if not (folder / ABOUT).is_file():
        return held
    try:
        source = source_of(folder)
    except LichenError as error:
        found = (Finding("problem", error.code, error.message, error.next_step or ""),)
        return msgspec.structs.replace(held, findings=(*held.findings, *found))
    findings = (*_changed(source), *_undeclared(held), *_world(held))
    return msgspec.structs.replace(held, findings=(*held.findings, *findings))


def _changed(source: Source) -> tuple[Finding, ...]:
    codes = {"source": ("problem", "component_source_changed"), "tools": ("warning", "component_tools_changed")}
    found: list[Finding] = []
    for each in stale(source, Toolchains(os.environ)):
        severity, code = codes[each.what]
        found.append(Finding("problem" if severity == "problem" else "warning", code, each.message, _BUILD))
    return tuple(found)


def _undeclared(held: Seen) -> tuple[Finding, ...]:
    """What it asks of whoever runs it and does not declare: it would be refused each time."""
    if held.manifest is None:
        return ()
    found: list[Finding] = []
    for name in held.imports:
        for prefix, (word, is_wanted) in _WANTS.items():
            if name.startswith(prefix) and not is_wanted(held.manifest.capabilities):
                message = f"It asks {name}, and its manifest does not declare that."
                step = f"Declare `{word}` under capabilities.host of its manifest, or do without."
                found.append(Finding("problem", "component_import_undeclared", message, step))
    return tuple(found)


def _world(held: Seen) -> tuple[Finding, ...]:
    """Whether the manifest names the interface, by its version, that the component is asked by."""
    if held.manifest is None or not held.manifest.world or held.interface is None:
        return ()
    said, _, version = held.manifest.world.partition("@")
    package, _, spoken = held.interface.partition("@")
    if not spoken or (version == spoken and said.partition("/")[0] == package.partition("/")[0]):
        return ()
    message = f"Its manifest says that its world is {held.manifest.world}, and it offers {held.interface}."
    return (Finding("problem", "component_world", message, "Correct `world` in its manifest, or its WIT."),)
