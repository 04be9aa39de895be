"""What a request of a platform is answered with, and what its channel does once it was answered."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from starlette.responses import Response

from lichen.channels.port import Arrival, Following, Reply
from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Scope
from lichen.serve.http.lines import broken

FOLLOW_S: Final = 10.0
REPLY_BYTES_MAX: Final = 64 * 1024
_MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?charset=[a-zA-Z0-9-]+)?")


class Afterwards:
    """What channels do at their platforms that nothing depends on, while the platform is answered already."""

    def __init__(self) -> None:
        self._following: set[asyncio.Future[None]] = set()

    def follow(self, channel: Following, scope: Scope, arrival: Arrival) -> None:
        """Has the channel begin."""
        following = asyncio.ensure_future(_followed(channel, scope, arrival))
        self._following.add(following)
        following.add_done_callback(self._following.discard)


async def _followed(channel: Following, scope: Scope, arrival: Arrival) -> None:
    try:
        async with asyncio.timeout(FOLLOW_S):
            await channel.follow(scope, arrival)
    except Exception as error:  # noqa: BLE001 - a package may raise anything; the log has its place
        broken("webhook, afterwards", error)


def behind(team: str, rest: str) -> str:
    """What stands behind tenant and team. Raises NotFound (`channel_unknown`) for another team than the channel's."""
    first, _, rest_of_it = rest.partition("/")
    if not team:
        return rest_of_it if first == "default" else rest
    if first not in ("", team):
        raise NotFound("There is no such channel here.", code="channel_unknown", next_step="Correct the address.")
    return rest_of_it


def response(reply: Reply) -> Response:
    """The channel's own answer, which can neither set headers nor be a page."""
    if len(reply.body) > REPLY_BYTES_MAX or not 200 <= reply.status < 300:
        raise ValueError("the reply of the channel is too long, or no success")
    is_page = not _MEDIA_TYPE.fullmatch(reply.media_type) or "html" in reply.media_type or "xml" in reply.media_type
    return Response(reply.body, reply.status, media_type="text/plain" if is_page else reply.media_type)
