"""One conversation, told on every channel, while the process is killed between any two steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.channels.telegram import server as telegram
from tests.channels.told.people import REASON, OnTelegram, OnWebChat, OnWhatsApp, Person, hear
from tests.channels.told.shop import Shop
from tests.channels.whatsapp import server as whatsapp

HOOK, APP = "a-secret-of-ours_42", "app secret"

TABLES = """
[tenants.acme.telegram]
api_base_url = "{telegram}"
token = "env:TELEGRAM_TOKEN"
webhook_secret = "env:TELEGRAM_HOOK"

[tenants.acme.whatsapp]
phone_number_id = "{number}"
api_base_url = "{whatsapp}"
token = "env:WHATSAPP_TOKEN"
verify_token = "env:WHATSAPP_VERIFY"
app_secret = "env:WHATSAPP_APP"
"""
ENVIRON = {
    "TELEGRAM_TOKEN": telegram.TOKEN,
    "TELEGRAM_HOOK": HOOK,
    "WHATSAPP_TOKEN": whatsapp.TOKEN,
    "WHATSAPP_VERIFY": "words",
    "WHATSAPP_APP": APP,
}


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Shop, list[Person]]]:
    """The shop, served, and a customer on each channel."""
    with ExitStack() as stack:
        api, meta = stack.enter_context(telegram.BotApi()), stack.enter_context(whatsapp.Meta())
        tables = TABLES.format(telegram=api.url, whatsapp=meta.url, number=whatsapp.NUMBER)
        shop = Shop(tmp_path, tables, ENVIRON)
        shop.start()
        stack.callback(shop.stop)
        yield shop, [OnTelegram(shop, api, HOOK), OnWhatsApp(shop, meta, APP), OnWebChat(shop)]


@pytest.mark.req("LIC-16.30")
def test_one_conversation_is_told_on_every_channel_over_a_death_after_each_step(
    told: tuple[Shop, list[Person]],
) -> None:
    shop, people = told
    for person in people:
        person.say("I want to give something back.")
    for person in people:
        hear(person, "What is it about?" if isinstance(person, OnWebChat) else "Order")
    shop.kill()
    for person in people:
        person.fill()
    for person in people:
        hear(person, "Please send a photo.")
    shop.kill()
    for person in people:
        person.send_photo()
    assert len(shop.waiting(len(people))) == len(people)
    shop.kill()
    shop.approve(shop.waiting(len(people)))
    for person in people:
        hear(person, f"Refunded {person.order} ({REASON}) with 1 photo.")
    shop.kill()
    for person in people:
        hear(person, f"Refunded {person.order} ({REASON}) with 1 photo.")
    assert shop.refunds() == sorted(person.order for person in people)
    for person in people:
        shown = list(person.shown())
        assert len(shown) == len(set(shown)), shown
