"""The page about agents of one's own says how little has to be added. It must be true."""

from __future__ import annotations

import pytest

from tests.docs.fences import PAGES, fences

PAGE = PAGES / "how-to" / "bring-your-own-agent.md"
LINES_MAX = 9


@pytest.mark.req("LIC-19.35")
@pytest.mark.parametrize("file", ["own_pydantic.py", "own_openai.py", "own_graph.py"])
def test_an_agent_of_another_framework_is_adopted_in_less_than_ten_lines(file: str) -> None:
    (added,) = [fence for fence in fences(PAGE) if fence.title == file]
    lines = [line for line in added.text.splitlines() if line.strip()]
    assert 0 < len(lines) <= LINES_MAX
    assert "adopt(" in added.text


@pytest.mark.req("LIC-19.35")
def test_a_function_becomes_an_agent_in_less_than_ten_lines() -> None:
    (added,) = [fence for fence in fences(PAGE) if fence.title == "own_function.py"]
    ours = [line for line in added.text.splitlines() if "lichen" in line or "agent_function" in line or "chat." in line]
    assert 0 < len(ours) <= LINES_MAX
