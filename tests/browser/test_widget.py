"""The official Web Chat widget converses with us as it stands, over the WebSocket and by polling."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, WebSocket, expect
from starlette.applications import Starlette

from lichen.runtime import Runtime
from tests.browser.widget import widget_routes
from tests.serve.widget import LINE, Client, app_of, project_in, runtime_of, served

BUBBLE = ".webchat__bubble__content"
STATUS = ".webchat__activity-status"
TIMEOUT_MS = 15_000

expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with runtime_of(project_in(tmp_path)) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime, *widget_routes(LINE))


@pytest.fixture
async def url(app: Starlette) -> AsyncGenerator[str]:
    async with served(app) as host:
        yield f"http://{host}"


@pytest.fixture
async def widget(chromium: Browser) -> AsyncGenerator[Page]:
    context = await chromium.new_context(viewport={"width": 480, "height": 640})
    context.set_default_timeout(TIMEOUT_MS)
    yield await context.new_page()
    await context.close()


async def say(page: Page, text: str) -> None:
    await page.get_by_role("textbox").fill(text)
    await page.get_by_role("textbox").press("Enter")


@pytest.mark.req("GRE-61.10")
@pytest.mark.parametrize("way", ["live", "poll"])
async def test_the_official_widget_converses_as_it_stands(
    app: Starlette, url: str, widget: Page, way: str, tmp_path: Path
) -> None:
    client = Client(app)
    await client.generate("ann")
    sockets: list[WebSocket] = []
    widget.on("websocket", lambda socket: sockets.append(socket))  # playwright marks what it is given
    await widget.goto(f"{url}/{way}#{client.token}")
    await say(widget, "Hello <b>there</b> **you**")
    bubbles = widget.locator(BUBBLE)
    await expect(bubbles).to_have_text(["Hello <b>there</b> **you**", "echo: Hello <b>there</b> **you**"])
    await expect(widget.locator(STATUS).first).to_contain_text("Just now")  # and not that it is still being sent
    await say(widget, "And again")
    await expect(bubbles).to_have_count(4)
    await widget.screenshot(path=tmp_path / f"{way}.png")

    await widget.reload()
    await expect(bubbles).to_have_text(
        ["Hello <b>there</b> **you**", "echo: Hello <b>there</b> **you**", "And again", "echo: And again"]
    )
    await say(widget, "After a reload")
    await expect(bubbles).to_have_count(6)
    await expect(bubbles.last).to_have_text("echo: After a reload")
    assert len(sockets) == (2 if way == "live" else 0)
