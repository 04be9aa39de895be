"""Conversations by channel, channels and dead letters, as whoever answers for customers sees and settles them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lichen.core.words.scope import SYSTEM, Customer, Operator, Service
from lichen.engine.ports import Delivery
from tests.serve.browser import browser, enter, issue
from tests.serve.console import ACME, GLOBEX, signed_in, site, token
from tests.serve.platforms import Platforms, platforms


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Platforms]:
    monkeypatch.setenv("POST_SECRET", "s3")
    async with platforms(tmp_path) as found:
        yield found


async def listed(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    return (await client.get(f"/console/sessions.json{query}")).json()["sessions"]


async def talk(client: httpx.AsyncClient, channel: str) -> tuple[str, list[dict[str, Any]], str]:
    """The address, the transcript and the page of the one conversation by a channel."""
    (line,) = await listed(client, f"?channel={channel}")
    address = f"/console/sessions/{line['id']}"
    told = (await client.get(f"{address}.json")).json()["session"]["transcript"]
    return address, told, (await client.get(address)).text


# -- conversations -----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-16.16")
async def test_conversations_are_listed_by_channel_the_last_to_say_something_first(shop: Platforms) -> None:
    await shop.say("post", "Where is <b>1042</b>?", who="bea")
    await shop.say("kiosk", "Hello", who="cyd")
    await shop.say("post", "Thank you", who="bea")
    async with signed_in(shop.runtime) as client:
        found = await listed(client)
        assert [each["channel"] for each in found] == ["post", "kiosk"]
        assert (found[1]["said"]["role"], found[1]["said"]["text"]) == ("agent", "You said: Hello")
        assert [each["channel"] for each in await listed(client, "?channel=kiosk")] == ["kiosk"]
        assert await listed(client, "?standing=handed") == []
        page = (await client.get("/console/sessions?channel=kiosk")).text
        assert "You said: Hello" in page
        assert "post 1" in page, "the other channels are one click away"
        assert "No conversation is like that." in (await client.get("/console/sessions?standing=handed")).text
        assert (await client.get("/console/sessions?standing=lying")).status_code == 400


@pytest.mark.req("LIC-16.16")
async def test_a_conversation_with_a_person_says_who_has_it_and_what_is_unread(shop: Platforms) -> None:
    await shop.say("post", "I want to speak to a person")
    await shop.say("post", "Is anybody there?")
    async with signed_in(shop.runtime) as client:
        (line,) = await listed(client, "?standing=handed")
        assert (line["standing"], line["has"], line["unread"]) == ("handed", "", 1)
        assert (line["said"]["role"], line["said"]["text"]) == ("customer", "Is anybody there?")
        assert "nobody has it" in (await client.get("/console/sessions")).text
        (wait,) = shop.runtime.handovers.list(ACME, Operator("mia", ("operator",)))
        await shop.runtime.handovers.reply(ACME, wait.id, "Mia here.", Operator("mia", ("operator",)))
        await shop.runtime.idle()
        (line,) = await listed(client)
        assert (line["has"], line["unread"]) == ("mia", 0)
        assert (line["said"]["role"], line["said"]["by"], line["said"]["text"]) == ("operator", "mia", "Mia here.")


@pytest.mark.req("LIC-16.17")
async def test_each_reply_says_how_far_it_came_and_what_is_stuck_leads_to_its_letter(shop: Platforms) -> None:
    shop.of("kiosk").ends.extend(
        [Delivery("delivered"), Delivery("failed", "channel_archived"), TimeoutError(), Delivery("retry", "busy", 600)]
    )
    for text in ("one", "two", "three", "four"):
        await shop.say("kiosk", text)
    async with signed_in(shop.runtime) as client:
        address, told, page = await talk(client, "kiosk")
    ways = [each["delivery"] for each in told if each["role"] == "agent"]
    assert [way["state"] for way in ways] == ["delivered", "failed", "in_doubt", "retry"]
    assert [way["code"] for way in ways] == ["", "channel_archived", "exception_TimeoutError", "busy"]
    assert [way["attempts"] for way in ways] == [1, 1, 1, 1]
    session = address.rpartition("/")[2]
    assert [way["letter"] for way in ways] == ["", f"{session}.o2", f"{session}.o3", ""]
    now_us = shop.runtime.engine.services.clock()
    assert ways[3]["next_us"] is not None
    assert 500e6 < ways[3]["next_us"] - now_us <= 600e6
    assert f'href="/console/letters/{session}.o2"' in page
    assert f'href="/console/letters/{session}.o3"' in page
    assert "goes again in 9 min" in page
    assert "A reply waits: Its channel could not send it." in page
    assert all(each["delivery"] is None for each in told if each["role"] == "customer")


@pytest.mark.req("LIC-16.17")
async def test_a_reply_that_is_fetched_is_not_fetched_before_its_customer_says_so(shop: Platforms) -> None:
    session = await shop.runtime.sessions.open(
        ACME, Customer("customer-7"), agent="shop.desk", channel="webchat", key="chat"
    )
    await (await session.say("Hello")).result()
    await shop.runtime.idle()
    async with signed_in(shop.runtime) as client:
        _, told, page = await talk(client, "webchat")
        assert told[-1]["delivery"]["state"] == "unfetched"
        assert "not fetched" in page
        for message in await session.pending():
            await session.delivered(message.id)
        _, told, page = await talk(client, "webchat")
        assert told[-1]["delivery"]["state"] == "delivered"
        assert "not fetched" not in page


@pytest.mark.req("LIC-16.62")
async def test_cards_choices_and_what_was_pressed_are_shown_as_what_they_are_and_none_of_it_works(
    shop: Platforms,
) -> None:
    await shop.say("kiosk", "card")
    await shop.say("kiosk", "size")
    await shop.say("kiosk", "Small", value={"size": "Small <i>"})
    async with signed_in(shop.runtime) as client:
        _, told, page = await talk(client, "kiosk")
    assert told[1]["delivery"]["warnings"] == ["text_sanitized", "adaptive_card_downsampled"]
    assert "shown with less: without markup, its card as text" in page
    assert told[1]["card"]["type"] == "AdaptiveCard"
    assert told[3]["choices"] == ["Small", "Large"]
    assert told[4]["filled"] == {"size": "Small <i>"}
    assert "Your order &lt;b&gt;1042&lt;/b&gt;" in page
    for words in ("Total", "48 EUR", "A blue lamp", "Why do you send it back?", "Keep it", "Small &lt;i&gt;"):
        assert words in page, words
    assert '<span class="choice">Large</span>' in page
    assert 'href="https://shop.example/terms" rel="noopener noreferrer nofollow"' in page
    assert "javascript:" not in page
    assert "1042.png" not in page.replace('href="https://shop.example/1042.png"', ""), "no picture is fetched"
    assert 'name="why"' not in page


# -- dead letters ------------------------------------------------------------------------------------------------


async def open_letter(client: httpx.AsyncClient) -> tuple[str, str]:
    """The address and the page of the one open letter."""
    (letter,) = (await client.get("/console/letters.json")).json()["letters"]
    address = f"/console/letters/{letter['id']}"
    return address, (await client.get(address)).text


async def settle(client: httpx.AsyncClient, address: str, done: str) -> httpx.Response:
    form = {"csrf_token": await token(client, "/console/runs"), "done": done}
    return await client.post(f"{address}/settle", data=form)


@pytest.mark.req("LIC-16.63")
@pytest.mark.parametrize(
    ("done", "state", "times"), [("again", "delivered", 2), ("delivered", "delivered", 1), ("dropped", "dropped", 1)]
)
async def test_a_doubt_is_settled_with_what_a_person_knows(shop: Platforms, done: str, state: str, times: int) -> None:
    shop.of("kiosk").ends.append(TimeoutError())
    await shop.say("kiosk", "Hello")
    async with signed_in(shop.runtime) as client:
        assert '<span class="count">1<span class="sr"> open</span></span>' in (await client.get("/console/runs")).text
        address, page = await open_letter(client)
        for told in (
            "Nobody knows whether this is there",
            "You said: Hello",
            "exception_TimeoutError",
            'data-confirm="',
        ):
            assert told in page, told
        settled = await settle(client, address, done)
        assert settled.status_code == 303
        await shop.runtime.idle()
        book = (await client.get(settled.headers["location"])).text
        assert "Nothing is stuck." in book
        assert "See the conversation" in book
        _, told, _ = await talk(client, "kiosk")
        assert told[-1]["delivery"]["state"] == state
        again = await settle(client, address, done)
        assert (again.status_code, "This letter is settled already." in again.text) == (409, True)
        assert (await client.get(address)).status_code == 409
    assert len(shop.of("kiosk").sent) == times


@pytest.mark.req("LIC-16.63")
async def test_what_could_not_be_taken_is_taken_after_all_or_put_away(
    shop: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(type(shop.of("kiosk")), "parse", broken)
        await shop.say("kiosk", "Hello <b>")
    async with signed_in(shop.runtime) as client:
        address, page = await open_letter(client)
        assert "This came in and could not be taken" in page
        assert "Hello &lt;b&gt;" in page
        assert (await settle(client, address, "delivered")).status_code == 400
        assert (await settle(client, address, "eaten")).status_code == 400
        assert (await settle(client, address, "taken")).status_code == 303
        await shop.runtime.idle()
        assert [each["text"] for each in (await talk(client, "kiosk"))[1]] == ["Hello <b>", "You said: Hello <b>"]
        await shop.say("kiosk", " ")
        address, _ = await open_letter(client)
        assert "(no words)</a>" in (await client.get("/console/letters")).text, "there is something to click on"
        refused = await settle(client, address, "taken")
        assert refused.status_code == 400
        assert "To the letters" in refused.text
        assert (await settle(client, address, "dropped")).status_code == 303
        assert (await client.get("/console/letters/letter-999")).status_code == 404
    assert await shop.runtime.letters.list(ACME, SYSTEM) == ()


@pytest.mark.req("LIC-16.63")
async def test_letters_are_shown_by_state_and_channel(shop: Platforms, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.of("kiosk").ends.extend([TimeoutError(), Delivery("failed", "gone")])
    await shop.say("kiosk", "one", who="ann")
    await shop.say("kiosk", "two", who="bob")
    await shop.post("kiosk", b"garbage")
    async with signed_in(shop.runtime) as client:
        book = (await client.get("/console/letters.json?state=failed")).json()
        assert book["counts"] == {"dead": 1, "failed": 1, "in_doubt": 1}
        assert [(each["state"], each["text"]) for each in book["letters"]] == [("failed", "You said: two")]
        assert [each["summary"] for each in book["letters"]] == ["kiosk: could not be delivered (gone)"]
        for which, words in (
            ("state=dead", ["garbage"]),
            ("state=in_doubt&channel=kiosk", ["You said: one"]),
            ("channel=post", []),
        ):
            book = (await client.get(f"/console/letters.json?{which}")).json()
            assert [each["text"] for each in book["letters"]] == words, which
        assert "Nothing is stuck by post." in (await client.get("/console/letters?channel=post")).text
        assert (await client.get("/console/letters?state=lost")).status_code == 400
        monkeypatch.setattr("lichen.serve.console.channels.letters.LISTED_MAX", 2)
        page = await client.get("/console/letters")
        assert "These are the 2 oldest" in page.text
        assert "all 3" in page.text


# -- channels ----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-16.64")
async def test_each_channel_says_what_came_and_went_what_waits_and_what_it_lacks_and_asks_nobody(
    shop: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.of("kiosk").ends.extend([Delivery("delivered"), TimeoutError(), Delivery("retry", "platform_resting", 300.0)])
    for who in ("ann", "bob", "cyd"):
        await shop.say("kiosk", "Hello", who=who)
    await shop.post("kiosk", b"garbage")

    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("a platform was asked")

    for name in ("check", "register", "send", "verify"):
        monkeypatch.setattr(type(shop.of("kiosk")), name, asked, raising=False)
    async with signed_in(shop.runtime) as client:
        found = {each["name"]: each for each in (await client.get("/console/channels.json")).json()["channels"]}
        kiosk, fax, post = found["kiosk"], found["fax"], found["post"]
        assert (kiosk["kind"], kiosk["conversations"], kiosk["waiting"]) == ("dummy", 3, 1)
        assert (kiosk["in_doubt"], kiosk["failed"], kiosk["letters"]) == (1, 0, 1)
        sent = kiosk["sent"]
        assert (sent["delivered"], sent["again"], sent["unknown"], sent["code"]) == (1, 1, 1, "platform_resting")
        assert sent["rests_us"] > shop.runtime.engine.services.clock()
        assert kiosk["last_in_us"] > kiosk["last_out_us"] > 0
        assert [each["what"] for each in kiosk["findings"]] == [
            "1 message waits (platform_resting): Its platform failed again and again, and is left alone.",
            "2 messages wait for a person",
        ]
        assert kiosk["findings"][0]["until_us"] >= sent["rests_us"] - 1_000_000
        assert (fax["state"], fax["findings"][0]["mend"]) == (
            "problem",
            "lichen secrets set fax-secret --tenant acme --env dev",
        )
        assert (post["state"], post["last_in_us"]) == ("ok", None)
        page = (await client.get("/console/channels/kiosk")).text
        assert "/v1/messaging/ingress/kiosk/acme" in page
        assert "failed again and again, and is left alone" in page
        assert "The last hour: 1 delivered, 2 not" in page
        assert "secret:fax-secret cannot be had" in (await client.get("/console/channels")).text
        assert (await client.get("/console/channels/pigeon")).status_code == 404


@pytest.mark.req("LIC-16.64")
async def test_a_channel_that_is_declared_no_more_is_named_while_something_is_there_by_it(shop: Platforms) -> None:
    session = await shop.runtime.sessions.open(
        ACME, Customer("customer-7"), agent="shop.desk", channel="pigeon", delivery="push"
    )
    await (await session.say("Hello")).result()
    await shop.runtime.log(ACME).durable()
    async with signed_in(shop.runtime) as client:
        found = (await client.get("/console/channels/pigeon.json")).json()["channel"]
    assert (found["platform"], found["state"], found["waiting"]) == (None, "warning", 1)
    assert found["findings"][0]["what"] == "lichen.toml declares no such channel"


# -- who sees what -----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-16.65")
async def test_another_tenants_operator_sees_no_conversation_letter_or_channel(shop: Platforms) -> None:
    shop.of("kiosk").ends.append(TimeoutError())
    await shop.say("kiosk", "Hello")
    async with signed_in(shop.runtime) as client:
        (line,) = await listed(client)
        letter, _ = await open_letter(client)
    async with signed_in(shop.runtime, "globex") as client:
        assert await listed(client) == []
        assert (await client.get("/console/sessions.json")).json()["channels"] == []
        assert (await client.get("/console/letters.json")).json()["letters"] == []
        assert (await client.get("/console/channels.json")).json()["channels"] == []
        for address in (f"/console/sessions/{line['id']}", letter, "/console/channels/kiosk"):
            assert (await client.get(address)).status_code == 404, address
        for done in ("again", "delivered", "dropped"):
            assert (await settle(client, letter, done)).status_code == 404
        for place in ("sessions", "letters", "channels"):
            assert "kiosk" not in (await client.get(f"/console/{place}")).text, place
    assert len(await shop.runtime.letters.list(ACME, SYSTEM)) == 1
    assert await shop.runtime.letters.list(GLOBEX, SYSTEM) == ()


@pytest.mark.req("LIC-16.65")
async def test_who_may_not_read_contents_sees_states_and_no_words_and_who_may_is_noted(shop: Platforms) -> None:
    shop.of("kiosk").ends.append(TimeoutError())
    await shop.say("kiosk", "Hello")
    book = await shop.runtime.conversations.list(ACME, Service("crm"))
    (line,) = book.conversations
    assert line.said is not None
    assert (line.is_sealed, line.said.text, line.in_doubt) == (True, None, 1)
    accessed = [each for each in shop.runtime.log(ACME).read() if each.type == "accessed"]
    assert accessed == []
    await shop.runtime.conversations.list(ACME, Operator("mia", ("operator",)))
    await shop.runtime.log(ACME).durable()
    (noted,) = [each for each in shop.runtime.log(ACME).read() if each.type == "accessed"]
    assert shop.runtime.log(ACME).contents_of(noted)["resource"] == b"conversations"


@pytest.mark.req("LIC-16.65")
async def test_a_letter_is_not_settled_without_the_forms_token_or_a_sign_in(shop: Platforms) -> None:
    shop.of("kiosk").ends.append(TimeoutError())
    await shop.say("kiosk", "Hello")
    async with signed_in(shop.runtime) as client:
        address, _ = await open_letter(client)
        assert (await client.post(f"{address}/settle", data={"done": "dropped"})).status_code == 403
    async with browser(site(shop.runtime)) as client:
        for place in ("letters", "channels", "sessions", address.removeprefix("/console/")):
            assert (await client.get(f"/console/{place}")).status_code == 303
    assert len(await shop.runtime.letters.list(ACME, SYSTEM)) == 1


@pytest.mark.req("LIC-16.65")
async def test_a_person_who_was_erased_is_in_the_list_without_a_word(shop: Platforms) -> None:
    await shop.say("kiosk", "card")
    await shop.runtime.people.erase(ACME, "kiosk:bea", Operator("mia", ("operator",)))
    async with signed_in(shop.runtime) as client:
        (line,) = await listed(client)
        assert line["said"]["text"] is None
        assert "(erased)" in (await client.get("/console/sessions")).text
        assert (await client.get(f"/console/sessions/{line['id']}")).status_code == 200


@pytest.mark.req("LIC-16.16")
async def test_pages_of_conversations_follow_each_other_and_none_is_left_out(
    shop: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.serve.console.sessions.PAGE", 2)
    for who in ("ann", "bob", "cyd", "dan", "eve"):
        await shop.say("kiosk", f"I am {who}.", who=who)
    seen: list[str] = []
    async with signed_in(shop.runtime) as client:
        before = ""
        while True:
            page = (await client.get(f"/console/sessions.json?channel=kiosk&before={before}")).json()
            seen += [each["said"]["text"] for each in page["sessions"]]
            if page["next_before"] is None:
                break
            before = page["next_before"]
    assert seen == [f"You said: I am {who}." for who in ("eve", "dan", "cyd", "bob", "ann")]


@pytest.mark.req("LIC-16.66")
async def test_api_and_console_say_the_same_of_conversations_channels_and_letters(shop: Platforms) -> None:
    shop.of("kiosk").ends.append(TimeoutError())
    await shop.say("kiosk", "Hello")
    async with browser(site(shop.runtime)) as console:
        key = issue(shop.runtime)
        await enter(console, key)
        shop.client.headers["authorization"] = f"Bearer {key}"
        book = (await shop.client.get("/api/v1/conversations")).json()
        assert book["conversations"] == await listed(console)
        health = (await shop.client.get("/api/v1/channels/health")).json()
        assert health == (await console.get("/console/channels.json")).json()["channels"]
        letters = (await shop.client.get("/api/v1/letters")).json()
        assert letters == (await console.get("/console/letters.json")).json()["letters"]
        address = f"letters/{letters[0]['id']}"
        shown = (await shop.client.get(f"/api/v1/{address}")).json()
        assert shown == (await console.get(f"/console/{address}.json")).json()["letter"]
