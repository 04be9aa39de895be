"""The package that the page about plug-ins shows, installed as its reader would install it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path

from tests.docs.fences import PAGES, fences
from tests.plugins.packages import install

SECRET = "between us"
PARTS = {"pager": "pager:Pager"}


def install_pager(folder: Path, parts: dict[str, str] | None = None, more: dict[str, str] | None = None) -> Path:
    """Lays the page's modules, and `more`, into `folder` with an entry point for each of `parts`."""
    page = fences(PAGES / "how-to" / "plugins.md")
    modules = {
        Path(each.title).stem: each.text
        for each in page
        if each.title.startswith("shop-parts/p") and ".py" in each.title
    }
    return install(folder, "shop-parts", "1.2", "lichen.channels", parts or PARTS, {**modules, **(more or {})})


def signed(
    text: str, *, id: str = "m-1", pager: str = "451", sent_s: int | None = None
) -> tuple[bytes, dict[str, str]]:
    """A page and the headers that prove it."""
    body = json.dumps({"id": id, "pager": "451", "text": text}).encode()
    sent = str(sent_s if sent_s is not None else int(time.time()))
    signature = hmac.new(SECRET.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()
    return body, {"pager-time": sent, "pager-signature": signature}
