"""`python -m docs.reference FOLDER`: the pages as mkdocs builds them."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.reference.pages import write

if __name__ == "__main__":
    write(Path(sys.argv[1]))
