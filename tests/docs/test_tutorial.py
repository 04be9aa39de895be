"""The tutorial, done from an empty folder to the approved voucher in the browser."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import launched
from tests.docs.fences import PAGES, Fence, fences
from tests.docs.reader import Reader

TUTORIAL = PAGES / "tutorial.md"
PATIENCE_MS = 20_000


@pytest.fixture
def chromium() -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def reader(tmp_path: Path) -> Generator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.stop()


@pytest.mark.req("DOC-4.1")
def test_who_does_what_the_tutorial_says_has_a_voucher_that_a_person_agreed_to(
    reader: Reader, chromium: Browser
) -> None:
    served, after = _halves()
    for fence in served:
        reader.follow(fence)
    customer = chromium.new_page()
    customer.goto(f"{reader.url}/chat/desk")
    for text, reply in (
        ("My kettle leaks", "What went wrong?"),
        ("It leaks", "How many euros"),
        ("50", "needs a colleague"),
    ):
        box = customer.get_by_role("textbox")
        box.fill(text)
        box.press("Enter")
        expect(customer.get_by_text(reply).last).to_be_visible(timeout=PATIENCE_MS)
    _approve(chromium, reader)
    expect(customer.get_by_text("Done: a voucher of 50 EUR")).to_be_visible(timeout=PATIENCE_MS)
    for fence in after:
        reader.follow(fence)


def _halves() -> tuple[list[Fence], list[Fence]]:
    found = [fence for fence in fences(TUTORIAL) if fence.language != "sh"]
    (at,) = [i for i, fence in enumerate(found) if "lichen serve" in fence.text and fence.language == "console"]
    return found[: at + 1], found[at + 1 :]


def _approve(chromium: Browser, reader: Reader) -> None:
    key = next(out for command, out in reader.outputs.items() if "keys create" in command).splitlines()[0]
    console = chromium.new_page()
    console.goto(f"{reader.url}/login")
    console.locator("input[name=key]").fill(key)
    console.locator("input[name=key]").press("Enter")
    console.wait_for_url("**/console/**")
    console.goto(f"{reader.url}/console/approvals")
    console.get_by_role("link", name="vouchers.issue").last.click()
    console.get_by_role("button", name="Approve").click()
    console.get_by_role("button", name="Yes").click()
