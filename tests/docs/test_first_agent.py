"""The first agent, from an empty folder to the runs and evals in the console, over OpenAI's own client."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.agents.wire.aimock import playing
from tests.browser.chromium import launched
from tests.docs.fences import PAGES, fences
from tests.docs.reader import Reader

PAGE = PAGES / "first-agent.md"
PATIENCE_MS = 20_000
PICTURES = os.environ.get("LICHEN_PICTURES")


def said(user: str, tool: str, args: dict[str, Any], then: str) -> Generator[dict[str, Any]]:
    """What the model says to this: a call, and words once it has the result."""
    call = {"id": "call_1", "name": tool, "arguments": json.dumps(args)}
    yield {"match": {"userMessage": user, "hasToolResult": True}, "response": {"content": then, "usage": USAGE}}
    yield {"match": {"userMessage": user}, "response": {"toolCalls": [call], "usage": USAGE}}


USAGE = {"input_tokens": 480, "output_tokens": 40}
WISH = '{"title": "The Name of the Rose", "weeks": 2}'
ON_SHELF = "Yes: The Name of the Rose is book 17, and it is on the shelf."
SCENES = [
    *said("Do you have The Name of the Rose?", "books__find", {"title": "name of the rose"}, ON_SHELF),
    *said("for eight weeks", "books__reserve", {"number": 17, "weeks": 8}, "Book 17 is yours for eight weeks."),
    *said("for two weeks", "books__reserve", {"number": 17, "weeks": 2}, "Book 17 is yours for two weeks."),
    {"match": {"userMessage": "for a fortnight"}, "response": {"content": WISH, "usage": USAGE}},
]


@pytest.fixture
def reader(tmp_path: Path) -> Generator[Reader]:
    (tmp_path / "server").mkdir()
    (tmp_path / "desk").mkdir()
    with playing(tmp_path / "server", SCENES) as url:
        reader = Reader(tmp_path / "desk", OPENAI_API_KEY="sk-of-the-page", OPENAI_BASE_URL=f"{url}/v1")
        yield reader
        reader.stop()


@pytest.fixture
def page() -> Generator[Page]:
    with sync_playwright() as playwright:
        browser: Browser = launched(playwright)
        yield browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=2)
        browser.close()


@pytest.mark.req("DOC-4.8")
def test_who_does_what_the_page_says_has_an_agent_with_tools_policy_test_and_eval(reader: Reader, page: Page) -> None:
    for fence in fences(PAGE):
        if fence.language != "sh":
            reader.follow(fence)
    key = next(out for command, out in reader.outputs.items() if "keys create" in command).splitlines()[0]
    page.goto(f"{reader.url}/login")
    page.locator("input[name=key]").fill(key)
    page.locator("input[name=key]").press("Enter")
    page.wait_for_url("**/console/**")
    page.goto(f"{reader.url}/console/approvals")
    page.get_by_role("link", name="books.reserve").first.click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Yes").click()
    page.goto(f"{reader.url}/console/runs")
    page.locator("a.row").first.click()
    expect(page.get_by_text("Book 17 is yours for eight weeks.").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("openai:gpt-5-mini").first).to_be_visible()
    if PICTURES:
        page.locator("details.asked").last.evaluate("each => { each.open = true; }")
        page.screenshot(path=Path(PICTURES) / "agent.png", clip={"x": 0, "y": 0, "width": 1280, "height": 800})
    page.goto(f"{reader.url}/console/evals")
    expect(page.get_by_role("heading", name="evals/desk.toml")).to_be_visible()
    page.get_by_role("heading", name="evals/desk.toml").get_by_role("link").click()
    expect(page.locator("dl.tiles").get_by_text("6 of 6")).to_be_visible()
