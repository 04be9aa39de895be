"""Manifests looked at as they stand, so that one mistake does not hide the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from lichen.core.words.errors import Invalid
from lichen.packs.checking.diagnostic import Diagnostic, Severity
from lichen.packs.manifests.cbor import pointer
from lichen.packs.manifests.reading import FILE
from lichen.packs.manifests.symbols import resolved

Steps = tuple[str | int, ...]
Table = Mapping[str, Any]
SECRET: Final = re.compile(r"[A-Za-z0-9._-][A-Za-z0-9._/-]{0,255}")
EXEC: Final = "component.exec"


def manifest_errors(value: Table) -> Iterator[Diagnostic]:
    """What is wrong with a manifest of pack-v1; of the older model, with what both have."""
    if "meta" in value:
        meta = _table(value["meta"])
        if not meta.get("pack_id"):
            yield _found("PACK_ID_MISSING", "The pack has no id.", "meta", "pack_id")
        yield from _secrets(meta, "meta")
        yield from _twice(value, "components", "name", "PACK_COMPONENT_ID_DUPLICATE")
        yield from _twice(value, "flows", "id", "PACK_FLOW_ID_DUPLICATE")
        return
    if not value.get("schema_version"):
        yield _found("PACK_SCHEMA_VERSION_MISSING", "It does not say of which model it is.", "schema_version")
    if value.get("pack_id") in (None, ""):
        yield _found("PACK_ID_MISSING", "The pack has no id.", "pack_id")
    try:
        named: Table = resolved(value, FILE)
    except Invalid as error:
        yield Diagnostic("error", "PACK_MANIFEST_INVALID", f"{error.code}: {error.message}", error.place or FILE)
        named = value
    yield from _secrets(named)
    yield from _twice(named, "components", "id", "PACK_COMPONENT_ID_DUPLICATE")
    yield from _twice(named, "flows", "id", "PACK_FLOW_ID_DUPLICATE")
    yield from _aliases(named)
    yield from _flows(named)
    yield from _configurators(named)
    yield from _extensions(named)


def _secrets(value: Table, *above: str) -> Iterator[Diagnostic]:
    wanted: Any = value.get("secret_requirements")
    for i, each in enumerate(_list(wanted)):
        key: Any = _table(each).get("key")
        at = (*above, "secret_requirements", i)
        name = key if isinstance(key, str) else ""
        if not SECRET.fullmatch(name) or name.startswith("/") or ".." in name.split("/"):
            message = "A secret is required by a name that no secret has, or without one."
            yield _found("PACK_SECRET_REQUIREMENTS_INVALID", message, *at, "key")


def _twice(value: Table, key: str, name: str, code: str) -> Iterator[Diagnostic]:
    seen: set[Any] = set()
    for i, each in enumerate(_list(value.get(key))):
        id: Any = _table(each).get(name)
        if isinstance(id, str | int) and id in seen:
            yield _found(code, f"{id!r} stands there twice.", key, i, name)
        elif isinstance(id, str | int):
            seen.add(id)


def _aliases(value: Table) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for i, each in enumerate(_list(value.get("dependencies"))):
        alias: Any = _table(each).get("alias")
        at = ("dependencies", i, "alias")
        if not isinstance(alias, str) or not alias:
            yield _found("PACK_DEPENDENCY_ALIAS_MISSING", "A pack that is needed has no name here.", *at)
        elif alias in seen:
            yield _found("PACK_DEPENDENCY_ALIAS_DUPLICATE", f"Two packs are called {alias!r} here.", *at)
        else:
            seen.add(alias)


def _flows(value: Table) -> Iterator[Diagnostic]:
    for i, each in enumerate(_list(value.get("flows"))):
        entry, at = _table(each), ("flows", i)
        graph = _table(entry.get("flow"))
        if graph.get("id") != entry.get("id"):
            message = "The flow is called otherwise in itself."
            yield _found("PACK_FLOW_ID_MISMATCH", message, *at, "flow", "id")
        if graph.get("kind") != entry.get("kind"):
            yield _found("PACK_FLOW_KIND_MISMATCH", "The flow is of another kind in itself.", *at, "flow", "kind")
        if not graph.get("schema_version"):
            message = "The lowered flow does not say its version."
            yield _found("PACK_FLOW_SCHEMA_VERSION_MISSING", message, *at, "flow", "schema_version")
        yield from _nodes(value, graph, (*at, "flow"))


def _nodes(value: Table, graph: Table, above: Steps) -> Iterator[Diagnostic]:
    aliases = _texts(value, "dependencies", "alias")
    components = _texts(value, "components", "id")
    for i, each in enumerate(_list(graph.get("nodes"))):
        component, at = _table(_table(each).get("component")), (*above, "nodes", i, "component")
        id, alias = component.get("id"), component.get("pack_alias")
        if not id:
            yield _found("PACK_FLOW_COMPONENT_MISSING", "The node has no component.", *at)
        elif alias is None and is_component(id) and id not in components:
            message = f"The manifest does not list the component {id!r}."
            yield _found("PACK_COMPONENT_NOT_EXPLICIT", message, *at, "id", severity="warn")
        if alias is not None and not _is_one_of(alias, aliases):
            message = f"No pack that is needed is called {alias!r} here."
            yield _found("PACK_FLOW_DEPENDENCY_ALIAS_MISSING", message, *at, "pack_alias")


def is_component(id: Any) -> bool:
    """Whether what a node names is code of a pack: what the runtime has itself is not."""
    from lichen.flows.read.lower import BUILTIN

    own = ("dw.", "emit.", "state.", "var.", "flow.", "session.")
    return isinstance(id, str) and id not in (EXEC, "mcp", *BUILTIN) and not id.startswith(own)


def _configurators(value: Table) -> Iterator[Diagnostic]:
    flows = _texts(value, "flows", "id")
    for i, each in enumerate(_list(value.get("components"))):
        for mode, flow in _table(_table(each).get("configurators")).items():
            if flow is not None and not _is_one_of(flow, flows):
                message = f"There is no flow {flow!r} to configure it by."
                yield _found("PACK_COMPONENT_CONFIG_FLOW_MISSING", message, "components", i, "configurators", mode)


def _extensions(value: Table) -> Iterator[Diagnostic]:
    """Components that extensions name."""
    components = _texts(value, "components", "id")
    for name, each in _table(value.get("extensions")).items():
        inline = _table(_table(each).get("inline"))
        for key, part in (("providers", "runtime"), ("offers", "provider")):
            for i, one in enumerate(_list(inline.get(key))):
                ref: Any = _table(_table(one).get(part)).get("component_ref")
                if ref is not None and not _is_one_of(ref, components):
                    message = f"The manifest does not list the component {ref!r}."
                    at = ("extensions", name, "inline", key, i, part, "component_ref")
                    yield _found("PACK_MISSING_COMPONENT_REFERENCE", message, *at)


def _found(code: str, message: str, *steps: str | int, severity: Severity = "error") -> Diagnostic:
    hint = "Correct the pack's sources, and build it anew with `lichen pack build`."
    return Diagnostic(severity, code, message, f"{FILE}#{pointer(steps)}", hint)


def _table(value: Any) -> Table:
    return cast("Table", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _texts(value: Table, key: str, name: str) -> set[str]:
    """The texts that the maps of a list have under a name."""
    found = (_table(each).get(name) for each in _list(value.get(key)))
    return {each for each in found if isinstance(each, str)}


def _is_one_of(value: Any, names: set[str]) -> bool:
    return isinstance(value, str) and value in names
