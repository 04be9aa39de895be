"""What documents of APIs describe and no tool was made of: what `lichen doctor` says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project

SHOWN_MAX: Final = 50  # of one API
CHARS_MAX: Final = 300


def offered(project: Project) -> Iterator[tuple[str, str]]:
    """State and what there is: how many tools each API has, and each operation that is none, with its JSON pointer and
    the reason."""
    settings = project.settings
    for table in settings.openapi:
        from lichen.tools.openapi.document import read  # for projects with APIs only
        from lichen.tools.openapi.toolset import listed

        found = listed(read(settings.root / table.document), table.api)
        yield "ok", f"{table.name}: {len(found.tools)} operations are tools, {len(found.missing)} are not"
        for place, why in tuple(found.missing.items())[:SHOWN_MAX]:
            yield "ok", _shown(f"{table.name}: {table.document}{place} is no tool: {why}")
        if len(found.missing) > SHOWN_MAX:
            yield "ok", f"{table.name}: and {len(found.missing) - SHOWN_MAX} more"


def _shown(text: str) -> str:
    """As much of it as is shown, for a document may say anything."""
    plain = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return plain if len(plain) <= CHARS_MAX else f"{plain[:CHARS_MAX]}…"
