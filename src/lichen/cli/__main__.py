"""`python -m lichen.cli`: the same as `lichen`."""

from __future__ import annotations

from lichen.cli.app import main

if __name__ == "__main__":
    main()
