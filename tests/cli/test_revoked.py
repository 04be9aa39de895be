"""`lichen tools`, where the key that signed a tool was taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lichen.tools.pins.keys import fingerprint
from tests.runtime.test_vouched import Books
from tests.tools.pins.vendor import DOMAIN

WHO = ("--tenant", "acme", "--as", "ops")


@pytest.mark.req("SYM-68.4")
def test_a_tool_whose_key_was_taken_back_is_listed_and_shown_as_revoked(tmp_path: Path) -> None:
    books = Books(tmp_path)
    own = fingerprint(books.vendor.key.public_key())
    books.offers(books.signed())
    assert "books.find is on." in books.project.run("tools", "look", "books", *WHO).out
    books.known(revoked_keys=[own])
    assert "tool_revoked" in books.project.run("tools", "look", "books", *WHO).out
    (tool,) = json.loads(books.project.run("tools", "list", "--json", *WHO).out)
    assert tool["state"] == "revoked"
    shown = books.project.run("tools", "show", "books.find", *WHO).out
    assert "books.find is revoked." in shown
    assert "tool_revoked: The key that signed it was taken back by its owner." in shown
    assert f"Signed by {DOMAIN} with {own}." in shown
