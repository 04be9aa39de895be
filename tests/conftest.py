"""How many examples properties are tried with: fewer than hypothesis would, so that the whole stays quick."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("small", max_examples=int(os.environ.get("LICHEN_TEST_EXAMPLES", "25")), deadline=None)
settings.load_profile("small")
