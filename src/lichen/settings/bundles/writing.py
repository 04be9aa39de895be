"""The `lichen.toml` that stands for a bundle's folder, as text: each line with the place it comes from."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from lichen.core.reading.misfits import Steps
from lichen.settings.bundles.standing import Standing

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEAD: Final = """\
# Written by `lichen config convert`; the place behind each line is what it stands for.
# Whose packs count, and what may be done, is said here and never by a bundle: [[packs.trust]] and `policies`.
"""


def written(stands: Standing) -> str:
    """The text. What is read of it is what stands for the folder."""
    lines = [_HEAD.rstrip(), *_table(stands, (), stands.layer.document)]
    text = "\n".join(lines) + "\n"
    assert tomllib.loads(text) == stands.layer.document, "what is written is what was meant"
    return text


def _table(stands: Standing, steps: Steps, table: Mapping[str, Any]) -> Iterator[str]:
    plain = {name: value for name, value in table.items() if not isinstance(value, dict)}
    inner = {name: cast("dict[str, Any]", value) for name, value in table.items() if isinstance(value, dict)}
    if steps and (plain or not inner):
        yield ""
        yield f"[{'.'.join(_key(str(step)) for step in steps)}]"
    for name, value in plain.items():
        place = stands.layer.at((*steps, name)).removeprefix(f"{stands.root}/")
        yield f"{_key(name)} = {json.dumps(value, ensure_ascii=False)}  # {place}"
    for name, value in inner.items():
        yield from _table(stands, (*steps, name), value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
