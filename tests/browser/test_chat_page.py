"""The chat page in a real browser, against the web chat's own door."""

from __future__ import annotations

import base64
import re

import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, Route, expect

from lichen.core.words.ids import SessionId
from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime.runtime import Runtime
from lichen.runtime.views.session import Said
from tests.browser.looks import dim, faults
from tests.serve.console import ACME, OPS

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

# The greeting of the page, and once more what the agent says to small talk.
GREETING = re.compile("I can tell you where an order is")


async def send(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.keyboard.press("Enter")


def bubble(page: Page, text: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("log").get_by_text(text)


@pytest.mark.req("LIC-25.23")
async def test_a_customer_asks_and_is_answered(page: Page, runtime: Runtime) -> None:
    await page.goto("/chat/acme")
    await expect(page.get_by_label("Your message")).to_be_focused()
    await send(page, "Where is order 1042?")
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()
    await expect(page.locator("#log .mine small")).to_have_text(re.compile(r"\d\d:\d\d"))
    await expect(page.locator("#typing")).to_be_hidden()
    await expect(page.get_by_label("Your message")).to_be_focused()
    assert (await faults(page), await dim(page)) == ([], [])


@pytest.mark.req("LIC-25.24")
async def test_a_conversation_is_kept_across_a_reload_until_a_new_one_is_wanted(page: Page, runtime: Runtime) -> None:
    await page.goto("/chat/acme")
    await send(page, "Hello")
    await expect(bubble(page, GREETING)).to_have_count(2)
    await page.reload()
    await expect(page.locator("#log .mine")).to_have_count(1)
    await expect(bubble(page, GREETING)).to_have_count(2)
    assert len(runtime.log(ACME).stream_rows("session")) == 1
    await page.get_by_role("button", name="New conversation").click()
    await expect(bubble(page, GREETING)).to_have_count(1)
    await expect(page.locator("#log .mine")).to_have_count(0)
    await send(page, "Where is order 1043?")
    await expect(bubble(page, re.compile("delivered"))).to_be_visible()
    assert len(runtime.log(ACME).stream_rows("session")) == 2


@pytest.mark.req("LIC-25.25")
async def test_what_anybody_writes_is_text_and_nothing_else(page: Page) -> None:
    text = "<img src=x onerror=\"document.title='owned'\"> https://example.org **bold**"
    await page.goto("/chat/acme")
    await send(page, text)
    await expect(bubble(page, text)).to_be_visible()
    await expect(bubble(page, GREETING)).to_have_count(2)
    assert await page.locator("#log a, #log img, #log b, #log strong").count() == 0
    assert "owned" not in await page.title()


@pytest.mark.req("LIC-25.26")
async def test_a_message_written_while_the_line_is_down_is_sent_once_when_it_is_back(
    page: Page, runtime: Runtime
) -> None:
    await page.goto("/chat/acme")
    await send(page, "Hello")
    await expect(bubble(page, GREETING)).to_have_count(2)
    lost = 0

    async def lose(route: Route) -> None:
        """The server takes the message, and its answer is lost on the way."""
        nonlocal lost
        if route.request.method != "POST" or lost:
            await route.continue_()
            return
        lost += 1
        await route.fetch()
        await route.abort()

    await page.route("**/activities", lose)
    await send(page, "Where is order 1042?")
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()
    await expect(page.locator("#log .sending")).to_have_count(0, timeout=8_000)
    assert lost == 1
    (session,) = runtime.log(ACME).stream_rows("session")
    received = [event for event in runtime.log(ACME).events(session.stream) if event.control.type == "message_received"]
    assert len(received) == 2, "sent again under its own id it is the same message"
    assert await page.locator("#log .mine").count() == 2


@pytest.mark.req("LIC-25.26")
async def test_a_message_written_offline_waits_even_for_a_reload(page: Page) -> None:
    await page.goto("/chat/acme")
    await send(page, "Hello")
    await expect(bubble(page, GREETING)).to_have_count(2)
    await page.route("**/v1/**", lambda route: route.abort())
    await send(page, "Where is order 1042?")
    await expect(page.locator("#log .sending")).to_have_count(1)
    await page.reload()
    await expect(page.locator("#state")).to_have_text("Reconnecting…")
    await page.unroute("**/v1/**")
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()
    await expect(page.locator("#log .mine")).to_have_count(2)


@pytest.mark.req("LIC-25.26")
async def test_a_message_that_is_refused_says_so_and_can_be_tried_again(page: Page) -> None:
    await page.goto("/chat/acme")
    await send(page, "Hello")
    await expect(bubble(page, GREETING)).to_have_count(2)
    refuse = "**/activities"
    await page.route(refuse, lambda route: route.fulfill(status=400, json={}))
    await send(page, "Where is order 1042?")
    await expect(page.locator("#log .failed")).to_contain_text("Not sent.")
    await page.unroute(refuse)
    await page.get_by_role("button", name="Try again").click()
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()
    await expect(page.locator("#log .failed")).to_have_count(0)


@pytest.mark.req("LIC-25.27")
async def test_without_a_socket_the_page_asks_now_and_then(page: Page) -> None:
    await page.add_init_script("window.WebSocket = class { constructor() { setTimeout(() => this.onclose({}), 0); } };")
    await page.goto("/chat/acme")
    await send(page, "Where is order 1042?")
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()


@pytest.mark.req("LIC-25.28")
async def test_an_answer_that_waited_for_an_approval_arrives_by_itself(page: Page, runtime: Runtime) -> None:
    await page.goto("/chat/acme?user=customer-7")
    await send(page, "I want a refund of 80 EUR for order 1042.")
    await expect(bubble(page, re.compile("needs a colleague’s approval"))).to_be_visible()
    await expect(page.locator("#log .notice")).to_have_count(1)
    await runtime.waits.approve(ACME, runtime.waits.list(ACME, SYSTEM)[0].id, OPS)
    await expect(bubble(page, re.compile("80.00 EUR for order 1042"))).to_be_visible()
    await expect(page.locator("#log .notice")).to_have_count(1)


@pytest.mark.req("LIC-25.21")
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_page_is_legible_in_both_themes_and_fits_a_phone(page: Page, theme: str) -> None:
    await page.set_viewport_size({"width": 390, "height": 760})
    await page.goto(f"/chat/acme?theme={theme}")
    await send(page, "Hello " + "w" * 500)
    await expect(bubble(page, GREETING)).to_have_count(2)
    assert (await faults(page), await dim(page)) == ([], [])
    inside = await page.evaluate("document.querySelector('form').getBoundingClientRect().bottom <= innerHeight")
    assert inside


@pytest.mark.req("LIC-25.30")
async def test_two_windows_of_one_conversation_do_not_fight_for_its_stream(page: Page) -> None:
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await page.goto("/chat/acme")
    await send(page, "Hello")
    await expect(bubble(page, GREETING)).to_have_count(2)
    other = await page.context.new_page()
    other.on("websocket", lambda socket: sockets.append(socket.url))
    await other.goto("/chat/acme")
    await expect(bubble(other, GREETING)).to_have_count(2)
    await send(other, "Where is order 1042?")
    for each in (other, page):
        await expect(bubble(each, re.compile("shipped"))).to_be_visible()
    assert len(sockets) == 2, "the first one looks now and then instead of taking the stream back"


@pytest.mark.req("LIC-30.11")
async def test_what_is_offered_is_said_by_pressing_it_until_something_was_said(page: Page, runtime: Runtime) -> None:
    await page.goto("/chat/acme")
    offered = page.get_by_role("group", name="Suggestions").get_by_role("button")
    await expect(offered).to_have_count(3)
    await offered.first.click()
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()
    await expect(offered).to_have_count(0)
    await page.reload()
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()
    await expect(offered).to_have_count(0)
    await page.get_by_role("button", name="New conversation").click()
    await expect(offered).to_have_count(3)
    assert len(runtime.log(ACME).stream_rows("session")) == 1, "a conversation begins with its first message"


@pytest.mark.req("LIC-30.12")
async def test_a_german_browser_is_spoken_to_in_german(chromium: Browser, url: str) -> None:
    context = await chromium.new_context(base_url=url, locale="de-DE")
    page = await context.new_page()
    await page.goto("/chat/acme")
    await page.get_by_label("Ihre Nachricht").fill("Ich möchte mein Geld zurück für Bestellung 1043, 20 Euro")
    await page.get_by_role("button", name="Senden").click()
    await expect(bubble(page, re.compile("20.00 EUR für Bestellung 1043"))).to_be_visible()
    await page.get_by_label("Ihre Nachricht").fill("80 EUR Erstattung für Bestellung 1045")
    await page.keyboard.press("Enter")
    await expect(bubble(page, re.compile("muss jemand aus dem Team genehmigen"))).to_be_visible()
    await context.close()


@pytest.mark.req("LIC-30.13")
async def test_every_window_of_the_demo_is_the_same_customer_whose_limit_is_one(page: Page, chromium: Browser) -> None:
    await page.goto("/chat/acme")
    await expect(page.get_by_text("Signed in as customer-7")).to_be_visible()
    await send(page, "I want a refund of 40 EUR for order 1043.")
    await expect(bubble(page, re.compile("40.00 EUR for order 1043"))).to_be_visible()
    private = await chromium.new_context(base_url=page.url, locale="en")
    other = await private.new_page()
    await other.goto("/chat/acme")
    await send(other, "I want a refund of 40 EUR for order 1044.")
    await expect(bubble(other, re.compile("needs a colleague’s approval"))).to_be_visible()
    await private.close()


@pytest.mark.req("LIC-30.14")
@pytest.mark.parametrize("user", ["", "?user=somebody"])
async def test_whoever_was_erased_begins_anew_and_what_they_wrote_is_not_lost(
    page: Page, runtime: Runtime, user: str
) -> None:
    await page.goto(f"/chat/acme{user}")
    await send(page, "Hello")
    await expect(bubble(page, GREETING)).to_have_count(2)
    subject = Customer("webchat:somebody" if user else "customer-7")
    await runtime.people.erase(ACME, subject, OPS)
    await send(page, "How are you?")
    await expect(bubble(page, re.compile("Very well"))).to_be_visible()
    await expect(page.get_by_text("The conversation before has ended.")).to_be_visible()
    await expect(page.locator("#log .failed")).to_have_count(0)
    await expect(page.locator("#log .mine")).to_have_count(1)


@pytest.mark.req("LIC-30.15")
async def test_a_message_that_is_too_long_is_neither_cut_nor_sent(page: Page) -> None:
    await page.goto("/chat/acme")
    await page.get_by_label("Your message").fill("ä" * 9_000)
    await expect(page.get_by_role("alert")).to_contain_text("too long")
    await page.keyboard.press("Enter")
    assert await page.get_by_label("Your message").input_value() == "ä" * 9_000
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    await send(page, "ä" * 8_000)
    await expect(page.locator("#log .mine")).to_have_count(1)
    await expect(bubble(page, GREETING)).to_have_count(2)
    assert await page.locator("#log .mine p").inner_text() == "ä" * 8_000


@pytest.mark.req("LIC-30.15")
async def test_while_the_line_is_down_the_page_does_not_look_as_if_it_were_up(page: Page) -> None:
    await page.goto("/chat/acme")
    await send(page, "Hello")
    await expect(bubble(page, GREETING)).to_have_count(2)
    dot = "() => getComputedStyle(document.querySelector('h1'), '::before').backgroundColor"
    up = await page.evaluate(dot)
    await page.route("**/v1/**", lambda route: route.abort())
    await page.reload()
    await expect(page.locator("#state")).to_have_text("Reconnecting…")
    assert await page.evaluate(dot) != up
    await page.unroute("**/v1/**")
    await expect(page.locator("#state")).to_be_empty()
    assert await page.evaluate(dot) == up


@pytest.mark.req("LIC-30.15")
async def test_what_was_said_at_once_has_one_time_below_it(page: Page) -> None:
    await page.goto("/chat/acme")
    for text in ("Hello", "How are you?"):
        await send(page, text)
    await expect(bubble(page, re.compile("Very well"))).to_be_visible()
    times = page.locator("#log small").filter(visible=True)
    await expect(times).to_have_count(1)


@pytest.mark.req("LIC-30.4")
async def test_a_tenant_that_is_stopped_tells_who_begins_to_talk_so(page: Page, runtime: Runtime) -> None:
    runtime.gate.stop(ACME, "tenant", "", "incident 7")
    await page.goto("/chat/acme")
    await send(page, "Hello")
    await expect(page.locator("#log .notice")).to_contain_text("Please try again later.")
    await expect(page.locator("#log .failed")).to_have_count(1)
    runtime.gate.start(ACME, "tenant", "")
    await page.get_by_role("button", name="Try again").click()
    await expect(bubble(page, GREETING)).to_have_count(2)


@pytest.mark.req("LIC-30.29")
@pytest.mark.parametrize(
    ("language", "wish", "who", "alone", "back"),
    [
        ("en", "I want to speak to a human", "A colleague", "Go on without a person", "talking to the assistant again"),
        (
            "de",
            "Ich möchte mit einem Menschen sprechen",
            "Jemand aus dem Team",
            "Ohne Mitarbeiter weiter",
            "wieder mit",
        ),
    ],
)
async def test_a_customer_sees_that_a_person_answers_and_goes_on_without_them_by_a_button(
    chromium: Browser, url: str, runtime: Runtime, language: str, wish: str, who: str, alone: str, back: str
) -> None:
    context = await chromium.new_context(base_url=url, locale=language, viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto("/chat/acme")
    await page.locator("textarea, input").first.fill(wish)
    await page.keyboard.press("Enter")
    button = page.get_by_role("button", name=alone)
    await expect(button).to_be_visible()
    (found,) = runtime.handovers.list(ACME, OPS)
    await runtime.handovers.reply(ACME, found.id, "Ada here. <b>What</b> is it?", OPS)
    person = page.locator("#log li.person")
    await expect(person.get_by_text("Ada here. <b>What</b> is it?")).to_be_visible()
    await expect(person.locator(".by")).to_have_text(who)
    assert (await faults(page), await dim(page)) == ([], [])
    await page.locator("textarea, input").first.fill(alone)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("log").get_by_text(re.compile(back))).to_be_visible()
    assert runtime.handovers.list(ACME, OPS) == ()
    await context.close()


@pytest.mark.req("LIC-24.75")
async def test_a_customer_attaches_files_sees_them_and_is_told_in_words_what_is_not_taken(
    page: Page, runtime: Runtime
) -> None:
    picture: FilePayload = {"name": "cup.png", "mimeType": "image/png", "buffer": PIXEL}
    await page.goto("/chat/acme")
    await page.locator("#file").set_input_files([picture])
    await expect(page.locator("#files img")).to_have_count(1)
    await send(page, "Where is order 1042?")
    await expect(bubble(page, re.compile("shipped"))).to_be_visible()
    await expect(page.locator("#log progress")).to_have_count(0)
    await expect(page.locator("#files")).to_be_hidden()
    await page.reload()
    shown = page.locator("#log .mine .file img")
    await expect(shown).to_have_count(1)
    await expect(shown).to_have_js_property("naturalWidth", 1)
    await expect(page.locator("#log .mine .file")).to_have_attribute("download", "cup.png")
    await page.locator("#file").set_input_files([{**picture, "buffer": b"<html>"}])
    await send(page, "And this?")
    await expect(page.locator("#log .failed small")).to_have_text("Not sent: a file is not what its name says.")
    await page.locator("#file").set_input_files([{**picture, "buffer": bytes(9 * 2**20)}])
    await expect(page.locator("#long")).to_have_text(re.compile("too much"))
    assert (await faults(page), await dim(page)) == ([], [])
    assert [[file.name for file in each.files] for each in await talk(runtime) if each.files] == [["cup.png"]]


async def talk(runtime: Runtime) -> tuple[Said, ...]:
    """What was said in the only conversation there is."""
    (row,) = runtime.log(ACME).stream_rows("session")
    return (await runtime.sessions.get(ACME, SessionId(row.id), SYSTEM).detail()).transcript
