"""The chat on somebody else's page: in a frame, and as the official widget for a customer their server knows."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.chromium import launched
from tests.browser.widget import WIDGET
from tests.docs.fences import PAGES, fences
from tests.docs.reader import Reader

EMBED = PAGES / "how-to" / "embed.md"
PATIENCE_MS = 20_000


@pytest.fixture
def reader(tmp_path: Path) -> Generator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.stop()


@pytest.mark.req("DOC-4.7")
def test_the_pages_that_embed_the_chat_show_it(reader: Reader) -> None:
    for fence in fences(EMBED):
        reader.follow(fence)
    token = next(out for command, out in reader.outputs.items() if command.startswith("python")).strip()

    (reader.folder / "webchat.js").write_bytes(WIDGET.member("package/dist/webchat.js"))
    with sync_playwright() as playwright, shop(reader.folder) as url:
        page = launched(playwright).new_page()
        page.goto(f"{url}/page.html")
        expect(page.frame_locator("iframe").get_by_role("textbox")).to_be_visible(timeout=PATIENCE_MS)
        page.goto(f"{url}/widget.html#{token}")
        box = page.get_by_role("textbox").first
        box.fill("Where is order 1042?")
        box.press("Enter")
        expect(page.get_by_text("arrives tomorrow").first).to_be_visible(timeout=PATIENCE_MS)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        """Says nothing."""


@contextmanager
def shop(folder: Path) -> Generator[str]:
    """A site of the shop's own, on another origin than the chat."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
