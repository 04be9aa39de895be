"""Draws the house into ARCHITECTURE.md, from the imports and from what each room says of itself.

`python -m docs.house` writes it anew between its two marks; a test holds the page to it.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/lichen"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- the house, drawn by `python -m docs.house` -->", "<!-- the end of the house -->"
Arrows = dict[str, set[str]]


def contracts() -> dict[str, list[list[str]]]:
    """The declared layers of each contract, from the ground up: a layer is a list of names."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {each["id"]: each["layers"] for each in declared if each["type"] == "layers"}
    return {id: [_names(layer) for layer in reversed(stack)] for id, stack in layers.items()}


def _names(layer: str) -> list[str]:
    return [name.strip(" ()") for name in layer.replace(":", "|").split("|")]


def arrows() -> Arrows:
    """Which wing imports from which, without those that follow from others."""
    graph = grimp.build_graph("lichen")
    wings = {child.removeprefix("lichen.") for child in graph.find_children("lichen")}
    found = {
        wing: {
            other
            for other in wings - {wing}
            if graph.direct_import_exists(importer=f"lichen.{wing}", imported=f"lichen.{other}", as_packages=True)
        }
        for wing in wings
    }
    return {
        wing: {to for to in below if not any(_goes_by(found, via, to) for via in below - {to})}
        for wing, below in found.items()
    }


def _goes_by(found: Arrows, via: str, to: str) -> bool:
    """Whether an arrow to `to` follows from one to `via`. Of two that know each other the first is drawn."""
    return to in _reached(found, via) and not (to < via and via in _reached(found, to))


def _reached(found: Arrows, start: str) -> set[str]:
    seen: set[str] = set()
    left = [start]
    while left:
        for to in found[left.pop()] - seen:
            seen.add(to)
            left.append(to)
    return seen


def said(folder: Path) -> str:
    """The first sentence that a wing or room says of itself."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    return text.splitlines()[0]


def drawn() -> Iterator[str]:
    """The picture and the table, line by line."""
    stacks = contracts()
    yield "```mermaid"
    yield "flowchart TD"
    yield from (f"    {wing} --> {to}" for wing, below in sorted(arrows().items()) for to in sorted(below))
    yield "```"
    yield ""
    yield "An arrow says who imports from whom; what follows from other arrows is left out. From the ground up:"
    yield ""
    yield "| floor | wing, and its rooms from the ground up | what it answers |"
    yield "|---|---|---|"
    for floor, wings in enumerate(stacks["floors"], 1):
        for wing in wings:
            folder = SOURCE / wing
            yield f"| {floor} | **`{wing}/`** | {said(folder)} |"
            rooms = [name for layer in stacks.get(f"rooms-{wing}", ()) for name in layer if (folder / name).is_dir()]
            yield from (f"| | `{wing}/{name}/` | {said(folder / name)} |" for name in rooms)


def page() -> str:
    """ARCHITECTURE.md with the house as it is now."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "", *drawn(), "", END + after])


if __name__ == "__main__":
    PAGE.write_text(page())
