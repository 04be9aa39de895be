"""A tool whose server says something else, judged by an operator in a real browser.

With LICHEN_PICTURES set to a folder, the picture of the README is taken on the way.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import FloatRect, Page, expect

from lichen.runtime.runtime import Runtime
from tests.browser.looks import dim, faults
from tests.cli.projects import Project
from tests.serve import test_console_tools
from tests.serve.browser import issue
from tests.serve.console import ACME, OPS

project = test_console_tools.project
runtime = test_console_tools.runtime
PICTURES = os.environ.get("LICHEN_PICTURES")


@pytest.mark.req("SYM-68.3")
async def test_a_changed_tool_is_seen_and_judged_in_a_browser(page: Page, runtime: Runtime, project: Project) -> None:
    await test_console_tools.changed(runtime, project)
    await page.goto("/console/runs")
    await page.get_by_label("Operator’s key").fill(issue(runtime))
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Tools 1 open").click()
    await page.get_by_role("link", name="books.find").click()
    await expect(page.get_by_text("changed, off")).to_be_visible()
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        assert (await faults(page), await dim(page)) == ([], [])
    if PICTURES:
        await page.set_viewport_size({"width": 1280, "height": 800})
        clip: FloatRect = {"x": 0, "y": 0, "width": 1280, "height": 560}
        await page.screenshot(path=Path(PICTURES) / "tools.png", clip=clip)
    await page.get_by_label("Why").fill("they never asked for an address before")
    await page.get_by_role("button", name="Reject").click()
    await expect(page.get_by_text("changed, off")).not_to_be_visible()
    assert runtime.tools.show(ACME, "books.find", OPS).standing.state == "on"  # as it is pinned
    assert await page.title() == "books.find · Lichen"
