"""Files that lie at Slack, fetched with the bot's token, which goes to Slack's own hosts alone.

Source: Slack, "Working with files", "files.info".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast
from urllib.parse import urlsplit

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, away, fields_of
from lichen.channels.platform.files import file_in, gone
from lichen.channels.port import Fetched, FileRef, Host
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.words.errors import Denied

HOST: Final = "slack.com"
Headers = Callable[[Api], Awaitable[dict[str, str]]]


async def fetched(file: FileRef, host: Host, api: Api, headers: Headers) -> Fetched:
    """The file. Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable, Denied (`address_denied`)."""
    is_known = file.ref.startswith(("https://", "http://"))
    url, name, media_type = (file.ref, "", "") if is_known else await _told(file, api, headers)
    at = where(url, host, api)
    answer = await _asked(at, url, headers, bytes_max=FILES_BYTES_MAX)
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    if answer.is_ok and is_page and not (media_type or file.media_type).startswith("text/html"):
        raise gone("Slack")  # whoever may not see a file is shown a page to sign in
    return Fetched(file_in(answer, "Slack"), name, media_type)


async def _told(file: FileRef, api: Api, headers: Headers) -> tuple[str, str, str]:
    """Where a file lies of which only the id is known, what it is called, and its media type."""
    told: Any = fields_of(await _asked(api, f"api/files.info?file={file.ref}", headers)).get("file")
    fields = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    url = fields.get("url_private_download") or fields.get("url_private")
    if not isinstance(url, str):
        raise gone("Slack")
    name, kind = fields.get("name"), fields.get("mimetype")
    return url, name if isinstance(name, str) else "", kind if isinstance(kind, str) else ""


def where(url: str, host: Host, api: Api) -> Api:
    """What asks the host that a file lies on, which must be Slack's. Raises Denied (`address_denied`)."""
    parts, base = urlsplit(url), urlsplit(api.base)
    if (parts.scheme, parts.netloc) == (base.scheme, base.netloc):
        return api
    name = parts.hostname or ""
    if parts.scheme != "https" or parts.netloc != name or not (name == HOST or name.endswith(f".{HOST}")):
        raise Denied("The address of this file is not Slack's: no token goes there.", code="address_denied")
    return Api(host, f"https://{name}")


async def _asked(api: Api, path: str, headers: Headers, *, bytes_max: int = 65_536) -> Answer:
    try:
        return await api.ask("GET", path, headers=await headers(api), bytes_max=bytes_max)
    except (NotSent, CutOff):
        raise away("Slack") from None
