"""Cards, forms and text with markup in the chat page, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from tests.browser.looks import dim, faults

PROJECT = """
[lichen]
agents = ["shop.py:clerk"]
home = "data"

[tenants.acme]
environments = ["dev"]

[tenants.acme.webchat]
env = "dev"
"""
SHOP = """
import json
from lichen import Agent, Saying
from lichen.core.ports.plan import Plan, WaitRequest

FORM = {"type": "object", "title": "Your order", "required": ["size", "count"], "properties": {
    "size": {"enum": ["Small", "Large"]},
    "count": {"type": "integer", "minimum": 1, "maximum": 9},
    "day": {"type": "string", "format": "date", "title": "On which day?"},
    "extras": {"type": "array", "items": {"enum": ["card", "ribbon"]}},
    "gift": {"type": "boolean", "title": "It is a gift"}}}
CARD = {"type": "AdaptiveCard", "version": "1.5",
        "body": [{"type": "TextBlock", "text": "Order *seven* <b>", "weight": "Bolder"},
                 {"type": "FactSet", "facts": [{"title": "Total", "value": "48 EUR"}]}],
        "actions": [{"type": "Action.Submit", "title": "Keep it", "data": {"keep": True}},
                    {"type": "Action.OpenUrl", "title": "Read", "url": "https://shop.example/7"},
                    {"type": "Action.ShowCard", "title": "Say why", "card": {
                        "type": "AdaptiveCard",
                        "body": [{"type": "Input.Text", "id": "why", "label": "Why", "isRequired": True}],
                        "actions": [{"type": "Action.Submit", "title": "Send why", "data": {"kind": "why"}}]}}]}
MARKUP = ("A **bold** word, `code` and [a link](https://shop.example/a).\\n\\n- one\\n- two\\n\\n"
          "<i>not</i> [no](javascript:x)")


class Clerk:
    pure, digest = True, "clerk"

    async def plan(self, step):
        if step.answers:
            return Plan(answer=step.answers[-1].body.decode())
        message = step.input[-1]
        if message.text == "order":
            return Plan(waits=(WaitRequest("clarification", "What may it be?", answer_schema=FORM),))
        if message.text == "card":
            return Plan(answer=Saying("Order seven", card=CARD))
        if message.text == "markup":
            return Plan(answer=Saying(MARKUP, format="markdown"))
        return Plan(answer=json.dumps([message.text, (message.data or {}).get("value")]))


clerk = Agent("shop.clerk", planner=Clerk())
"""


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "lichen.toml").write_text(PROJECT)
    async with Runtime.of(load(tmp_path / "lichen.toml", environ={})) as runtime:
        yield runtime


async def send(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.keyboard.press("Enter")


@pytest.mark.req("GRE-63.13")
async def test_a_form_is_filled_in_on_the_page_and_answers_the_question(page: Page) -> None:
    await page.goto("/chat/acme")
    await send(page, "order")
    card = page.locator("#log .card")
    await expect(card.get_by_text("Your order")).to_be_visible()
    await card.get_by_role("button", name="Send").click()  # what is required is missing
    await expect(page.locator("#log .mine")).to_have_count(1)
    await card.get_by_label("Large").check()
    await card.get_by_label("Count").fill("3")
    await card.get_by_label("On which day?").fill("2026-05-31")
    await card.get_by_label("card").check()
    await card.get_by_label("ribbon").check()
    await card.get_by_label("It is a gift").check()
    assert (await faults(page), await dim(page)) == ([], [])
    await card.get_by_role("button", name="Send").click()
    told = page.locator("#log .theirs p").last
    await expect(told).to_contain_text(
        '"size":"Large","count":3,"day":"2026-05-31","extras":["card","ribbon"],"gift":true'
    )
    await expect(page.locator("#log .mine p").last).to_contain_text("Size: Large\nCount: 3")
    await expect(card.locator("fieldset").first).to_have_attribute("disabled", "")
    await page.reload()
    await expect(card.locator("fieldset").first).to_have_attribute("disabled", "")


@pytest.mark.req("GRE-63.13")
async def test_a_card_is_shown_with_its_buttons_and_what_they_open(page: Page) -> None:
    await page.goto("/chat/acme")
    await send(page, "card")
    card = page.locator("#log .card")
    await expect(card.locator("strong")).to_have_text("Order seven <b>")
    await expect(card.locator("dl")).to_have_text("Total48 EUR")
    await expect(card.get_by_role("link", name="Read")).to_have_attribute("href", "https://shop.example/7")
    await expect(card.get_by_label("Why")).to_be_hidden()
    await card.get_by_role("button", name="Say why").click()
    await card.get_by_label("Why", exact=True).fill("too <small>")
    await card.get_by_role("button", name="Send why").click()
    told = page.locator("#log .theirs p").last
    await expect(told).to_have_text('["Why: too <small>", {"kind": "why", "why": "too <small>"}]')
    assert (await faults(page), await dim(page)) == ([], [])


@pytest.mark.req("GRE-63.13")
async def test_text_with_markup_is_drawn_and_leads_nowhere_else(page: Page) -> None:
    await page.goto("/chat/acme")
    await send(page, "markup")
    text = page.locator("#log .theirs p").last
    await expect(text.locator("b")).to_have_text("bold")
    await expect(text.locator("code")).to_have_text("code")
    await expect(text.get_by_role("link")).to_have_attribute("href", "https://shop.example/a")
    await expect(text).to_contain_text("• one\n• two\n\n<i>not</i> [no](javascript:x)")
    assert await text.locator("i").count() == 0
    await send(page, "<b>x</b> **y**")
    await expect(page.locator("#log .theirs p").last).to_have_text('["<b>x</b> **y**", null]')
