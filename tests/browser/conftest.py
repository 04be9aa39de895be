"""The demo site on a port of its own, and a page of a real browser that fails its test when something is amiss."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site
from tests.browser.chromium import QUIET, path
from tests.serve.conftest import project, runtime, shop

__all__ = ["chromium", "page", "project", "runtime", "shop", "url"]

TIMEOUT_MS = 10_000
EXPECTED = "Failed to load resource"  # what the browser says of every status from 400 on


@pytest.fixture
async def url(runtime: Runtime) -> AsyncGenerator[str]:
    """Where the demo site is."""
    async with listening(make_site(runtime), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def chromium() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path(), args=list(QUIET))
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser, url: str) -> AsyncGenerator[Page]:
    """A fresh page. Whatever it reports as wrong (errors of scripts, violations of the policy) fails the test."""
    context = await chromium.new_context(base_url=url, color_scheme="light", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    page = await context.new_page()
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and EXPECTED not in message.text:
            wrong.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    await context.close()
    assert wrong == []
