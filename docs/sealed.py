"""`python -m docs.sealed FOLDER`: a built site loads nothing from elsewhere. Prints what it would load."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|link)\b[^>]*?\s(?:src|href)=["']?(?:https?:)?//[^"'>\s]+"""
)
_NO_LOADS = re.compile(r"""<pre.*?</pre>|<link[^>]*rel=["']?canonical[^>]*>""", re.DOTALL)
_STYLE = re.compile(r"""(?:@import\s*|url\(\s*)["']?(?:https?:)?//[^)"']+""")


def loads(site: Path) -> list[str]:
    """Everything that a browser would fetch from another host, `file: what`."""
    found: list[str] = []
    for path in sorted(site.rglob("*")):
        pattern = {".html": _LOADS, ".css": _STYLE}.get(path.suffix)
        if pattern is not None:
            own = _NO_LOADS.sub("", path.read_text(encoding="utf-8"))
            found += [f"{path.relative_to(site)}: {match}" for match in pattern.findall(own)]
    return found


def main(site: Path) -> int:
    """0 when the site stands for itself."""
    found = loads(site)
    pages = len(list(site.rglob("*.html")))
    sys.stdout.write("\n".join(found) + "\n" if found else f"{pages} pages in {site}: open {site}/index.html\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
