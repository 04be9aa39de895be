"""The page of threats: each attack that is known by a name has its row, and each row says what holds it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pages" / "threats.md"
ROWS = [line for line in PAGE.read_text().splitlines() if line.startswith("| **")]
# Model Context Protocol, security best practices; Invariant Labs, MCP security notifications; the lists of OWASP
KNOWN = (
    "Rug pull", "Tool poisoning", "Shadowing", "Confused deputy", "Token passthrough", "Endless list", "Giant result",
    "Slow loris", "SSRF", "Elicitation phishing", "Sampling abuse", "Session hijacking", "Local compromise",
    *(f"ASI{n:02}" for n in range(1, 11)), *(f"LLM{n:02}" for n in range(1, 11)),
)  # fmt: skip


@pytest.mark.req("LIC-29.8")
@pytest.mark.parametrize("attack", KNOWN)
def test_every_attack_that_is_known_by_a_name_has_a_row(attack: str) -> None:
    assert sum(row.startswith(f"| **{attack}") for row in ROWS) == 1


@pytest.mark.req("LIC-29.8")
@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_requirements_that_are_held_by_tests(row: str) -> None:
    known = {each["id"] for each in tomllib.loads((ROOT / "spec" / "requirements.toml").read_text())["requirement"]}
    attack, control, held, _ = (cell.strip() for cell in row[1:].removesuffix("|").split("|"))
    named = re.findall(r"[A-Z]+-[\d.]+\d", held)
    assert named, attack
    assert set(named) <= known
    assert control
