"""What must be true of every page for everybody: names, headings, contrast, and that it fits its screen."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

_FAULTS = r"""() => {
  const faults = [];
  const seen = (e) => e.checkVisibility() && e.getClientRects().length;
  const name = (e) => (e.getAttribute("aria-label") ?? (e.labels?.[0] ?? e).textContent ?? "").trim()
    || document.getElementById(e.getAttribute("aria-labelledby"))?.textContent.trim();
  if (!document.documentElement.lang) faults.push("no language");
  if (!document.title.trim()) faults.push("no title");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
  let level = 1;
  for (const e of document.querySelectorAll("main h1, main h2, main h3")) {
    const own = Number(e.tagName[1]);
    if (own > level + 1) faults.push(`a heading is skipped before ${e.textContent}`);
    level = own;
  }
  for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea")) {
    if (seen(e) && !name(e)) faults.push(`nameless ${e.outerHTML.slice(0, 80)}`);
  }
  for (const e of document.querySelectorAll("img:not([alt])")) faults.push(`image without alt ${e.src}`);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push(`id ${id} twice`);
  for (const card of document.querySelectorAll(".card, .tile, .note")) {
    const edge = card.getBoundingClientRect().right + 0.5;
    for (const e of card.querySelectorAll("*")) {
      const isOut = seen(e) && !e.closest(".scroll, pre, svg, .sr") && e.getBoundingClientRect().right > edge;
      if (isOut) faults.push(`sticks out: ${e.outerHTML.slice(0, 80)}`);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the screen");
  return faults;
}"""

_DIM = r"""() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const paper = (e) => {
    const own = rgba(getComputedStyle(e).backgroundColor);
    return own[3] > 0.99 ? own : over(own, e.parentElement ? paper(e.parentElement) : [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const dim = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || !e.checkVisibility() || e.closest("svg, .sr, .skip, :disabled, noscript")) continue;
    const back = paper(e);
    const ink = over(rgba(getComputedStyle(e).color), back);
    const [low, high] = [light(back), light(ink)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) dim.add(`${ratio.toFixed(2)} ${e.className || e.tagName}: ${text.slice(0, 30)}`);
  }
  return [...dim];
}"""


async def faults(page: Page) -> list[Any]:
    """What is wrong with the page's structure."""
    return await page.evaluate(_FAULTS)


async def dim(page: Page) -> list[Any]:
    """Texts that stand out less than 4.5 to 1 from what is behind them (WCAG 2.2, 1.4.3)."""
    return await page.evaluate(_DIM)
