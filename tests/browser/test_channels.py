"""Conversations, channels and dead letters in a real browser: for everybody, on every screen, by the keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from lichen.engine.ports import Delivery
from lichen.runtime.runtime import Runtime
from tests.browser.axe import violations
from tests.browser.looks import dim, faults
from tests.browser.test_accessible import look
from tests.browser.test_console import HOSTILE, sign_in
from tests.serve.platforms import Platforms, platforms


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Platforms]:
    monkeypatch.setenv("POST_SECRET", "s3")
    async with platforms(tmp_path) as found:
        yield found


@pytest.fixture
def runtime(shop: Platforms) -> Runtime:
    return shop.runtime


async def busy(shop: Platforms) -> None:
    """Something of everything there is to see."""
    for text in ("card", "size"):
        await shop.say("kiosk", text, who="ann")
    await shop.say("kiosk", "Small", who="ann", value={"size": HOSTILE[:500]})
    kiosk, post = shop.of("kiosk"), shop.of("post")
    kiosk.ends.extend([TimeoutError(), Delivery("failed", "channel_archived"), Delivery("retry", "platform_busy", 600)])
    for text in ("Is it there?", HOSTILE[:2_000], "And now?"):
        await shop.say("kiosk", text, who="ann")
    post.ends.append(Delivery("retry", "platform_resting", 300))
    await shop.say("post", "I want to speak to a person", who="dan")
    await shop.say("post", "w" * 300, who="dan")
    await shop.post("post", HOSTILE[:500].encode())


async def addresses(page: Page) -> list[str]:
    """Every page of these."""
    found = ["/console/sessions", "/console/letters", "/console/channels", "/console/letters?done=dropped&letter=x"]
    found += ["/console/sessions?standing=closed", "/console/letters/letter-999", "/console/channels/pigeon"]
    for name, key in (("sessions", "id"), ("letters", "id"), ("channels", "name")):
        listed = await (await page.request.get(f"/console/{name}.json")).json()
        found += [f"/console/{name}/{each[key]}" for each in listed[name]]
    return found


@pytest.mark.req("LIC-16.67")
async def test_every_page_of_channels_is_legible_fits_and_runs_nothing_on_desk_and_phone(
    page: Page, shop: Platforms
) -> None:
    await busy(shop)
    await sign_in(page, shop.runtime)
    found = await addresses(page)
    assert len(found) >= 15
    for scheme, size in (("light", "desk"), ("dark", "phone")):
        await look(page, size, scheme)
        for address in found:
            await page.goto(address)
            await page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
            assert (address, size, await faults(page), await dim(page)) == (address, size, [], [])
            assert await page.locator("main script, main img").count() == 0
            assert (address, await violations(page)) == (address, [])


@pytest.mark.req("LIC-16.67")
async def test_a_doubt_is_settled_by_the_keyboard_once_what_it_does_was_said(page: Page, shop: Platforms) -> None:
    shop.of("kiosk").ends.append(TimeoutError())
    await shop.say("kiosk", "Hello", who="ann")
    await sign_in(page, shop.runtime)
    await page.keyboard.press("g")
    await page.keyboard.press("d")
    await expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Nobody knows whether this is there")).to_be_visible()
    await page.get_by_role("button", name="Send it again").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("they have it twice then")
    await page.keyboard.press("Escape")
    assert len(shop.of("kiosk").sent) == 1, "nothing is done before it was agreed to"
    await page.get_by_role("button", name="Send it again").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("It goes again.")
    await page.get_by_role("link", name="See the conversation").click()
    await expect(page.locator(".talk .there")).to_have_text("delivered")
    assert len(shop.of("kiosk").sent) == 2
    await page.keyboard.press("g")
    await page.keyboard.press("n")
    await expect(page.get_by_role("heading", name="Channels")).to_be_visible()


@pytest.mark.req("LIC-16.67")
async def test_a_conversation_goes_on_on_the_open_page(page: Page, shop: Platforms) -> None:
    await shop.say("kiosk", "Hello", who="ann")
    await sign_in(page, shop.runtime)
    await page.goto("/console/sessions?channel=kiosk")
    await page.get_by_role("link", name="You said: Hello").click()
    await expect(page.locator(".talk .bubble")).to_have_count(2)
    shop.of("kiosk").ends.append(Delivery("failed", "channel_archived"))
    await shop.say("kiosk", "Still there?", who="ann")
    await expect(page.locator(".talk .bubble").last).to_have_text("You said: Still there?", timeout=8_000)
    await expect(page.locator(".talk a.chip")).to_have_text("not delivered")
