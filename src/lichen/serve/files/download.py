"""A file of a customer as a response: to be kept, not to be shown as a page, and no page may do anything in it."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from lichen.runtime.views.session import SentFile

PLAIN: Final = "application/octet-stream"
SHOWABLE: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain", "text/csv")
"""Types that a response names; any other, such as SVG and HTML, goes out as bytes that no browser draws."""


def download(file: SentFile) -> Response:
    """The file, under the name that it came with."""
    is_plain = file.media_type not in SHOWABLE and not file.media_type.startswith("audio/")
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.name or 'file', safe='')}",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        "cross-origin-resource-policy": "cross-origin",
        "cache-control": "no-store",
    }
    response = Response(file.data, headers=headers)
    response.headers["content-type"] = PLAIN if is_plain else file.media_type
    return response
