"""The components of a pack as tools: what they may is what the pack says of them, and the project grants."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.components.manifest import ComponentManifest, manifest_of
from lichen.core.components.terms import ComponentTerms
from lichen.core.words.errors import Invalid
from lichen.flows.syntax.naming import joined, pack_of
from lichen.packs.manifests.words import Component
from lichen.runtime.given.components import compiling
from lichen.runtime.packs.opening import Opened, PackedComponent
from lichen.tools.wasm.component_tool import ComponentTool
from lichen.tools.wasm.families.table import FAMILIES
from lichen.tools.wasm.loading import loaded

_WORD: Final = re.compile(r"[a-z0-9]+")


class Same(NamedTuple):
    """Two components of which this is equal are one: the code, what the pack says of it, and what it is granted."""

    digest: str
    said: bytes


class Made(NamedTuple):
    """What the components of a pack are here: `tools` are those that were made for it, `every` also those that were
    there. `names` begin the names of their tools, by the id of each; `calls` are the tools that its flows mean, by what
    they may write."""

    tools: tuple[ComponentTool, ...]
    every: tuple[ComponentTool, ...]
    names: Mapping[str, str]
    calls: Mapping[str, str]


def names_of(pack: Opened, taken: Mapping[str, Same]) -> dict[str, str]:
    """How the names of the tools of a pack's components begin: `ai.greentic.echo` gives `greentic.echo`. Where another
    component is called so already, the pack's own name takes the place of what stands before the last word.

    Raises Invalid (`tool_twice`) where that is taken as well.
    """
    found: dict[str, str] = {}
    known = dict(taken)
    for each in pack.components:
        same, words = same_of(each, pack), _words(each.said.id)
        names = (".".join(words[-2:]), ".".join((pack_of(f"{pack.manifest.pack_id}/flow"), words[-1])))
        name = next((name for name in names if known.get(name, same) == same), None)
        if name is None:
            message, step = f"There are components called {names[0]} and {names[1]}.", "Rename it, or leave it out."
            raise Invalid(message, code="tool_twice", next_step=step, place=str(pack.root / each.said.file))
        found[each.said.id] = name
        known[name] = same
    return found


def same_of(component: PackedComponent, pack: Opened) -> Same:
    """What makes a component the one that it is."""
    said = msgspec.structs.replace(component.said, file="", manifest_file="")
    return Same(hashlib.sha256(component.data).hexdigest(), msgspec.json.encode((said, pack.allow), order="sorted"))


def made_of(
    pack: Opened,
    names: Mapping[str, str],
    home: Path,
    *,
    there: Mapping[str, ComponentTool] = {},
    awaits: Callable[[bytes], bool] | None = None,
) -> Made:
    """The operations of a pack's components as tools. Those that are `there` already under their names are not made
    anew, since their components are the same; those that `awaits` holds of are compiled by their first call.

    Raises Invalid and NotFound as `loaded`.
    """
    tools: list[ComponentTool] = []
    found: list[tuple[str, Sequence[ComponentTool]]] = []
    for each in pack.components:
        name = names[each.said.id]
        own = [tool for tool in there.values() if tool.spec.name.startswith(f"{name}.")]
        if not own:
            own = list(_loaded(each, pack, name, home, awaits))
            tools += own
        found.append((each.said.id, own))
    return Made(tuple(tools), tuple(tool for _, own in found for tool in own), names, _calls(found))


def _loaded(
    component: PackedComponent, pack: Opened, name: str, home: Path, awaits: Callable[[bytes], bool] | None
) -> tuple[ComponentTool, ...]:
    terms, place = ComponentTerms(name, allow=pack.allow), str(pack.root / component.said.file)
    manifest = _manifest(component.said, place)
    made = loaded(
        component.data,
        terms,
        FAMILIES,
        place=place,
        manifest=manifest,
        compiling=compiling(home),
        awaits=awaits,
    )
    return made.tools


def _calls(components: Sequence[tuple[str, Sequence[ComponentTool]]]) -> dict[str, str]:
    """The tools by what a flow of the pack may write: component and operation, with as many words of the component's id
    as are needed; a component that has one operation; an operation that one component has."""
    ways = [(way, tool.spec.name) for id, tools in components for tool in tools for way in set(_ways(id, tool, tools))]
    counts = Counter(way for way, _ in ways)
    return {way: name for way, name in ways if counts[way] == 1}


def _ways(id: str, tool: ComponentTool, others: Sequence[ComponentTool]) -> Iterator[str]:
    words, last = joined(id).split("."), tool.spec.name.rpartition(".")[2]
    for operation in {joined(tool.operation), last}:
        yield operation
        yield from (".".join((*words[-k:], operation)) for k in range(1, len(words) + 1))
    if len(others) == 1:
        yield from (".".join(words[-k:]) for k in range(1, len(words) + 1))


def _words(id: str) -> list[str]:
    return [word if word[0].isalpha() else f"n{word}" for word in _WORD.findall(id.lower())]


def _manifest(said: Component, place: str) -> ComponentManifest | None:
    """What the manifest of the pack says; None where it says nothing, and the component is asked itself."""
    if said.capabilities is None and not said.operations:
        return None
    operations: list[dict[str, Any]] = [
        {"name": each.name, "input_schema": _schema(each.input_schema), "output_schema": _schema(each.output_schema)}
        for each in said.operations
    ]
    tree = {"id": said.id, "version": said.version, "world": said.world, "operations": operations}
    return manifest_of({**tree, "capabilities": said.capabilities or {}, "config_schema": said.config_schema}, place)


def _schema(value: Any) -> Any:
    return cast("Any", value) if isinstance(value, dict) else {}
