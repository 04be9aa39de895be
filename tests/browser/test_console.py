"""The console in a real browser: what it looks like, what the keyboard does, and that nothing a stranger wrote runs."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from lichen.core.words.ids import CallId, RunId, ToolName
from lichen.core.words.scope import SYSTEM, Customer
from lichen.engine.pace.pieces import Piece, Progress
from lichen.runtime.runtime import Runtime
from tests.browser.looks import dim, faults
from tests.serve.browser import issue
from tests.serve.console import ACME, LARGE, OPS, held, kept, said

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "\u202eright to left\u202c \x07\x1b[31m {{ 7 * 7 }} " + "w" * 10_000
)


async def sign_in(page: Page, runtime: Runtime) -> None:
    await page.goto("/console/runs")
    await page.get_by_label("Operator’s key").fill(issue(runtime))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()


PLACES = (
    "runs", "approvals", "handovers", "sessions", "log", "agents", "policies", "tools", "meters", "costs", "evals",
    "keys", "health",
)  # fmt: skip


async def addresses(page: Page) -> list[str]:
    """One page of each kind."""
    found = [f"/console/{name}" for name in PLACES]
    kinds = (
        ("runs", "runs", "id"),
        ("approvals", "waits", "id"),
        ("handovers", "handovers", "id"),
        ("sessions", "sessions", "id"),
    )
    for name, field, key in kinds:
        listed = await (await page.request.get(f"/console/{name}.json")).json()
        found += [f"/console/{name}/{each[key]}" for each in listed[field]]
    evals = await (await page.request.get("/console/evals.json")).json()
    found += [f"/console/evals/{each['id']}" for suite in evals["suites"] for each in suite["results"][:1]]
    return [*found, "/console/agents/shop.support", "/console/runs/run-none"]


@pytest.mark.req("LIC-25.11")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_legible_named_and_fits(page: Page, runtime: Runtime, scheme: str) -> None:
    await said(runtime, "Where is order 1042?")
    await held(runtime)
    kept(runtime, HOSTILE)
    await said(runtime, "I want to speak to a human", Customer("customer-8"))
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    await page.goto("/login")
    assert (await faults(page), await dim(page)) == ([], [])
    await sign_in(page, runtime)
    for address in await addresses(page):
        await page.goto(address)
        assert (address, await faults(page), await dim(page)) == (address, [], [])


@pytest.mark.req("LIC-25.12")
async def test_every_page_fits_a_phone(page: Page, runtime: Runtime) -> None:
    await held(runtime)
    kept(runtime, HOSTILE)
    await said(runtime, "I want to speak to a human", Customer("customer-8"))
    await page.set_viewport_size({"width": 390, "height": 844})
    await sign_in(page, runtime)
    for address in await addresses(page):
        await page.goto(address)
        assert (address, await faults(page)) == (address, [])


@pytest.mark.req("LIC-25.13")
async def test_nothing_a_stranger_wrote_runs_hides_or_breaks_the_page(page: Page, runtime: Runtime) -> None:
    await said(runtime, HOSTILE)
    kept(runtime, HOSTILE)
    await said(runtime, LARGE, Customer("<script>\u202e"))
    await sign_in(page, runtime)
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 844})
        for address in await addresses(page):
            await page.goto(address)
            await page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
            assert (address, await faults(page)) == (address, [])
            assert "owned" not in await page.title()
            assert await page.locator("main script, main img").count() == 0
    text = await page.locator("body").inner_text()
    assert "\u202e" not in text
    source = await (await page.request.get("/console/sessions.json")).json()
    session = await page.request.get(f"/console/sessions/{source['sessions'][-1]['id']}")
    html = await session.text()
    assert "&lt;script&gt;" in html
    assert "⟨U+202E⟩right to left" in html
    assert "{{ 7 * 7 }}" in html
    assert "\x07" not in html


@pytest.mark.req("LIC-25.14")
async def test_a_held_call_is_approved_by_the_keyboard_alone(page: Page, runtime: Runtime) -> None:
    wait = await held(runtime)
    await sign_in(page, runtime)
    await page.keyboard.press("g")
    await page.keyboard.press("a")
    await expect(page.get_by_role("heading", name="Approvals")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="May this happen?")).to_be_visible()
    await page.keyboard.press("a")
    await expect(page.get_by_role("dialog")).to_contain_text("payments.refund")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert [each.id for each in runtime.waits.list(ACME, SYSTEM)] == [wait], "a key alone decides nothing"
    await page.keyboard.press("a")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"/console/runs/{wait.rpartition('.')[0]}")
    await runtime.idle()
    assert runtime.waits.list(ACME, SYSTEM) == ()
    await expect(page.locator(".head .chip").first).to_have_text("done")


@pytest.mark.req("LIC-25.14")
async def test_the_keys_are_explained_and_the_first_stop_leads_past_the_navigation(
    page: Page, runtime: Runtime
) -> None:
    await sign_in(page, runtime)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.goto("/console/agents")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the page")).to_be_focused()
    await page.keyboard.press("Enter")
    assert page.url.endswith("#main")


@pytest.mark.req("LIC-25.15")
async def test_a_run_is_followed_as_it_happens(page: Page, runtime: Runtime) -> None:
    wait = await held(runtime)
    run = wait.rpartition(".")[0]
    await sign_in(page, runtime)
    await page.goto(f"/console/runs/{run}")
    await expect(page.locator(".head .chip").first).to_have_text("waiting")
    await runtime.waits.approve(ACME, wait, OPS)
    await runtime.idle()
    await expect(page.locator(".head .chip").first).to_have_text("done", timeout=4_000)
    await expect(page.locator(".records")).to_contain_text("run finished")


@pytest.mark.req("LIC-24.25")
async def test_how_far_a_call_is_stands_on_the_page_of_its_run_as_text(page: Page, runtime: Runtime) -> None:
    run = RunId((await held(runtime)).rpartition(".")[0])
    await sign_in(page, runtime)
    async with page.expect_response(lambda each: each.url.endswith(f"/runs/{run}/pieces")):
        await page.goto(f"/console/runs/{run}")
    far = Progress(CallId("c1"), ToolName("books.sort"), 3.0, 4.0, HOSTILE[:100])
    runtime.engine.services.pieces.tell(ACME, run, Piece(1, 1, far))
    await expect(page.locator("[data-progress]")).to_contain_text("c1 books.sort says 3 of 4: “<script>")
    assert await page.title() != "owned"


@pytest.mark.req("LIC-25.16")
async def test_the_theme_that_was_chosen_is_kept(page: Page, runtime: Runtime) -> None:
    await sign_in(page, runtime)
    paper = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = await page.evaluate(paper)
    await page.get_by_role("button", name="Switch between light and dark").click()
    dark = await page.evaluate(paper)
    assert light != dark
    await page.reload()
    assert await page.evaluate(paper) == dark


@pytest.mark.req("LIC-25.17")
async def test_an_approval_is_answered_without_any_script(page: Page, runtime: Runtime) -> None:
    wait = await held(runtime)
    await page.route("**/*.js*", lambda route: route.abort())
    await sign_in(page, runtime)
    await page.goto(f"/console/approvals/{wait}")
    await page.get_by_label("Note").fill("By hand.")
    await page.get_by_role("button", name="Deny").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("run-")
    assert runtime.waits.list(ACME, SYSTEM) == ()


@pytest.mark.req("LIC-30.27")
async def test_who_waits_for_a_person_is_seen_at_once_and_answered_as_the_conversation_goes_on(
    page: Page, runtime: Runtime
) -> None:
    await sign_in(page, runtime)
    await expect(page).to_have_title("Runs · Lichen")
    await said(runtime, "I want to speak to a human")
    await expect(page).to_have_title("(1) Runs · Lichen")
    await expect(page.get_by_role("link", name="Hand-overs 1 open")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("o")
    await page.get_by_role("link", name="I want to speak to a human").click()
    await page.get_by_role("button", name="Take it").click()
    await expect(page.get_by_text("you have it")).to_be_visible()
    await page.get_by_label("Your reply").fill("One mom")
    session = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.support", key="chat")
    await session.say("Where is order 1042?")
    await expect(page.get_by_text("Where is order 1042?")).to_be_visible()
    await expect(page.locator(".title").get_by_text("1 unread")).to_be_visible()
    await expect(page.get_by_label("Your reply")).to_have_value("One mom")
    await page.get_by_label("Your reply").fill("It is on its way.")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".operator .bubble")).to_have_text("It is on its way.")
    await expect(page.locator(".title").get_by_text("1 unread")).to_have_count(0)
    await page.get_by_role("button", name="Give back to the assistant").click()
    await expect(page).to_have_title("Session " + session.id + " · Lichen")
