"""The picture of the house in ARCHITECTURE.md is that of the code."""

from __future__ import annotations

import pytest

from docs.house import PAGE, page


@pytest.mark.req("HOUSE-1.5")
def test_the_house_in_architecture_is_drawn_from_the_imports_as_they_are() -> None:
    assert PAGE.read_text() == page(), "draw it again: .venv/bin/python -m docs.house"
