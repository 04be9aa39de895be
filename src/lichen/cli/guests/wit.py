"""The WIT of a component as one text, as the tools of all languages take it.

Source: WIT, nested packages (component-model, design/mvp/WIT.md): a file of `deps` becomes a package in braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_PACKAGE: Final = re.compile(r"^[ \t]*package[ \t]+([^;{\s]+)[ \t]*;", re.MULTILINE)


def joined(files: Mapping[str, str]) -> str:
    """All files below `wit`: those of the folder itself as they are, each package below `deps` in braces of its own."""
    own: list[str] = []
    others: dict[str, list[str]] = {}
    name = ""
    for path in sorted(path for path in files if path.endswith(".wit")):
        text, group = files[path], path.rpartition("/")[0]
        said = _PACKAGE.search(text)
        if not group:
            name = name or (said[1] if said else "")
            own.append(_PACKAGE.sub("", text, count=1) if len(files) > 1 else text)
            continue
        others.setdefault(group, []).append(text)
    if len(files) == 1:
        return own[0] if own else _boxed(next(iter(others.values())))
    head = f"package {name};\n" if name else ""
    return head + "\n".join([*own, *(_boxed(texts) for texts in others.values())])


def _boxed(texts: list[str]) -> str:
    """The files of one package as a package in braces; a text that has its packages in braces already stays."""
    named = next((said[1] for text in texts if (said := _PACKAGE.search(text))), None)
    bodies = "\n".join(_PACKAGE.sub("", text, count=1) for text in texts)
    return bodies if named is None else f"package {named} {{\n{bodies}\n}}\n"
