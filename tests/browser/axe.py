"""axe-core, as published: what it finds wrong with a page for people who cannot see, point or tell colours apart."""

from __future__ import annotations

from functools import cache

from playwright.async_api import Page

from tests.browser.published import Published

AXE = Published(
    "axe-core", "4.10.3", "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
)
_RUN = """async () => {
  const { violations } = await axe.run(document);
  return violations.flatMap(({ id, nodes }) => nodes.map((each) => `${id}: ${each.html.slice(0, 160)}`));
}"""


@cache
def _script() -> str:
    return AXE.member("package/axe.min.js").decode()


async def violations(page: Page) -> list[str]:
    """Every rule that an element of the page breaks, best practices among them, with the element."""
    await page.evaluate(f"() => {{ {_script()} }}")
    found: list[str] = await page.evaluate(_RUN)
    return found
