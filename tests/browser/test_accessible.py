"""axe-core finds nothing on any page: of customers, of operators, and of who reads the API's documentation."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from lichen.runtime.runtime import Runtime
from tests.browser.axe import violations
from tests.browser.test_console import addresses, sign_in
from tests.serve.console import held, kept, said

SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1280, "height": 900}}


async def look(page: Page, size: str, scheme: str) -> None:
    await page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")


@pytest.mark.req("LIC-30.17")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
async def test_axe_finds_nothing_in_the_chat(page: Page, size: str, scheme: str) -> None:
    await look(page, size, scheme)
    for tenant in ("acme", "globex"):
        await page.goto(f"/chat/{tenant}")
        assert (tenant, await violations(page)) == (tenant, [])
    await page.goto("/chat/acme")
    await page.get_by_role("group", name="Suggestions").get_by_role("button").first.click()
    await expect(page.get_by_role("log").get_by_text(re.compile("shipped"))).to_be_visible()
    await page.get_by_label("Your message").fill("I want a refund of 80 EUR for order 1042.")
    await page.keyboard.press("Enter")
    await expect(page.locator("#log .notice")).to_have_count(1)
    await page.route("**/activities", lambda route: route.fulfill(status=400, json={}))
    await page.get_by_label("Your message").fill("Where is it?")
    await page.keyboard.press("Enter")
    await expect(page.locator("#log .failed")).to_have_count(1)
    await page.get_by_label("Your message").fill("x" * 20_000)
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await violations(page) == []
    for nowhere in ("/chat/nobody", "/nowhere"):
        await page.goto(nowhere)
        assert (nowhere, await violations(page)) == (nowhere, [])
    await expect(page.get_by_role("link", name="Go to the start")).to_have_attribute("href", "/console")


@pytest.mark.req("LIC-30.17")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
async def test_axe_finds_nothing_in_the_console(page: Page, runtime: Runtime, size: str, scheme: str) -> None:
    await said(runtime, "Where is order 1042?")
    await held(runtime)
    kept(runtime, "Where is order 1042?")
    await said(runtime, "I want to speak to a person")  # who has the conversation from here on
    await look(page, size, scheme)
    await page.goto("/login")
    assert await violations(page) == []
    await sign_in(page, runtime)
    for address in await addresses(page):
        await page.goto(address)
        assert (address, await violations(page)) == (address, [])


@pytest.mark.req("LIC-30.17")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
async def test_axe_finds_nothing_in_the_documentation_of_the_api(page: Page, size: str, scheme: str) -> None:
    await look(page, size, scheme)
    await page.goto("/api/docs")
    assert await violations(page) == []
