"""The story in a browser: a customer at the chat page, an operator in the console, `kill -9` between.

With LICHEN_PICTURES set to a folder, the pictures of the README are taken on the way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import launched
from tests.served import Served

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.start()
    yield served
    assert served.stop() == 0


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


class Pages:
    """Pages of one browser, and what went wrong in any of them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.errors: list[str] = []

    def open(self, url: str, viewport: dict[str, int]) -> Page:
        page = self._browser.new_context(viewport=viewport, device_scale_factor=2).new_page()  # type: ignore[arg-type]
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console", lambda said: self.errors.append(said.text) if "Content Security Policy" in said.text else None
        )
        page.goto(url)
        return page


def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("LICHEN_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def _say(chat: Page, text: str) -> None:
    chat.get_by_label("Your message").fill(text)
    chat.get_by_role("button", name="Send").click()


def _enter(console: Page, key: str) -> None:
    console.get_by_label("Operator’s key").fill(key)
    console.get_by_role("button", name="Sign in").click()
    console.wait_for_url("**/console/**")


@pytest.mark.req("STORY-3.1")
def test_a_refund_is_asked_for_on_a_phone_and_approved_in_the_console_after_a_kill(
    served: Served, browser: Browser
) -> None:
    pages = Pages(browser)
    chat = pages.open(f"{served.url}/chat/acme?user=customer-7", PHONE)
    said = chat.get_by_role("log").get_by_role("listitem")
    _say(chat, "Where is order 1042?")
    expect(said.filter(has_text="arrives tomorrow")).to_have_count(1)
    _say(chat, "I want a refund of 80 EUR for order 1042.")
    expect(said.filter(has_text="colleague")).to_have_count(1)

    console = pages.open(f"{served.url}/console/approvals", DESK)
    _enter(console, served.key("acme"))
    console.goto(f"{served.url}/console/approvals")
    expect(console.get_by_role("link", name="payments.refund")).to_have_count(1)

    served.kill()
    served.start()

    console.reload()
    console.get_by_role("link", name="payments.refund").click()
    expect(console.get_by_text("8000")).not_to_have_count(0)
    _picture(console, "approval")
    console.get_by_role("button", name="Approve").click()
    console.get_by_role("button", name="Yes").click()
    expect(said.filter(has_text="80.00 EUR for order 1042")).to_have_count(1, timeout=30_000)
    _picture(chat, "chat")
    assert served.refunds("acme") == [("1042", 8000)]

    console.goto(f"{served.url}/console/runs")
    console.locator("a.row").first.wait_for()
    for i in range(console.locator("a.row").count()):
        console.goto(f"{served.url}/console/runs")
        console.locator("a.row").nth(i).click()
        if console.get_by_text("payments.refund").count():
            break
    expect(console.locator("svg").first).to_be_visible()
    _picture(console, "console")

    chat.reload()
    expect(said.filter(has_text="80.00 EUR for order 1042")).to_have_count(1)
    expect(said.filter(has_text="arrives tomorrow")).to_have_count(1)
    assert pages.errors == []


def test_the_other_tenants_operator_finds_nothing(served: Served, browser: Browser) -> None:
    pages = Pages(browser)
    chat = pages.open(f"{served.url}/chat/acme?user=customer-7", PHONE)
    _say(chat, "I want a refund of 80 EUR for order 1042.")
    expect(chat.get_by_role("log").get_by_text("colleague")).to_have_count(1)
    console = pages.open(f"{served.url}/console/approvals", DESK)
    _enter(console, served.key("globex"))
    console.goto(f"{served.url}/console/approvals")
    expect(console.get_by_text("Nothing waits for you.")).to_be_visible()
    (waiting,) = served.operator("acme").get("/approvals").json()
    assert console.goto(f"{served.url}/console/approvals/{waiting['id']}").status == 404  # type: ignore[union-attr]
