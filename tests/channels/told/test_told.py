"""One conversation, told on every channel, while the process is killed between any two steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.channels.mattermost import server as mattermost
from tests.channels.slack import server as slack
from tests.channels.teams import server as teams
from tests.channels.telegram import server as telegram
from tests.channels.told.people import (
    REASON,
    OnMattermost,
    OnSlack,
    OnTeams,
    OnTelegram,
    OnWebChat,
    OnWebex,
    OnWhatsApp,
    Person,
    hear,
)
from tests.channels.told.shop import Shop
from tests.channels.webex import server as webex
from tests.channels.whatsapp import server as whatsapp

HOOK, APP, SIGNING = "a-secret-of-ours_42", "app secret", "8f742231b10e8888abcd99yyyzzz85a5"

TABLES = """
[tenants.acme.mattermost]
api_base_url = "{mattermost}"
username = "helper"
bot_token = "env:MATTERMOST_BOT"
tokens = ["env:MATTERMOST_HOOK"]

[tenants.acme.slack]
api_base_url = "{slack}"
bot_token = "env:SLACK_BOT_TOKEN"
signing_secret = "env:SLACK_SIGNING_SECRET"

[tenants.acme.teams]
app_id = "{app}"
app_password = "env:TEAMS_PASSWORD"
login_base_url = "{teams}"
openid_metadata_url = "{metadata}"

[tenants.acme.telegram]
api_base_url = "{telegram}"
token = "env:TELEGRAM_TOKEN"
webhook_secret = "env:TELEGRAM_HOOK"

[tenants.acme.webex]
api_base_url = "{webex}"
token = "env:WEBEX_TOKEN"
webhook_secret = "env:WEBEX_SECRET"

[tenants.acme.whatsapp]
phone_number_id = "{number}"
api_base_url = "{whatsapp}"
token = "env:WHATSAPP_TOKEN"
verify_token = "env:WHATSAPP_VERIFY"
app_secret = "env:WHATSAPP_APP"
"""
ENVIRON = {
    "MATTERMOST_BOT": mattermost.TOKEN,
    "MATTERMOST_HOOK": HOOK,
    "SLACK_BOT_TOKEN": slack.TOKEN,
    "SLACK_SIGNING_SECRET": SIGNING,
    "TEAMS_PASSWORD": teams.PASSWORD,
    "TELEGRAM_TOKEN": telegram.TOKEN,
    "TELEGRAM_HOOK": HOOK,
    "WEBEX_TOKEN": webex.TOKEN,
    "WEBEX_SECRET": webex.SECRET,
    "WHATSAPP_TOKEN": whatsapp.TOKEN,
    "WHATSAPP_VERIFY": "words",
    "WHATSAPP_APP": APP,
}


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Shop, list[Person]]]:
    """The shop, served, and a customer on each channel."""
    with ExitStack() as stack:
        api, meta = stack.enter_context(telegram.BotApi()), stack.enter_context(whatsapp.Meta())
        team = stack.enter_context(mattermost.Mattermost())
        space = stack.enter_context(slack.Slack())
        microsoft, rooms = stack.enter_context(teams.Microsoft()), stack.enter_context(webex.Webex())
        tables = TABLES.format(
            mattermost=team.url,
            slack=space.url,
            app=teams.APP,
            teams=microsoft.url,
            metadata=microsoft.metadata,
            telegram=api.url,
            webex=rooms.url,
            whatsapp=meta.url,
            number=whatsapp.NUMBER,
        )
        shop = Shop(tmp_path, tables, ENVIRON)
        shop.start()
        stack.callback(shop.stop)
        chats = (
            OnTelegram(shop, api, HOOK),
            OnWhatsApp(shop, meta, APP),
            OnSlack(shop, space, SIGNING),
            OnTeams(shop, microsoft),
            OnMattermost(shop, team, HOOK),
        )
        yield shop, [*chats, OnWebex(shop, rooms), OnWebChat(shop)]


@pytest.mark.req("LIC-16.30")
def test_one_conversation_is_told_on_every_channel_over_a_death_after_each_step(
    told: tuple[Shop, list[Person]],
) -> None:
    shop, people = told
    for person in people:
        person.say("I want to give something back.")
    for person in people:
        hear(person, "What is it about?" if isinstance(person, OnSlack | OnTeams | OnWebChat | OnWebex) else "Order")
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
