"""A file of ours as a file of Slack's: fetched where it lies, handed over, and shown in its thread.

Until the last of these steps nobody sees anything, so that what was cut off before is done again.
Source: Slack, "Working with files, uploading files".
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from lichen.channels.platform.calling import LOCAL, Answer, Api, CutOff, NotSent, fields_of
from lichen.channels.port import Host
from lichen.channels.slack.files import Headers, where
from lichen.channels.slack.outcomes import delivery
from lichen.channels.slack.places import Address
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.words.errors import LichenError
from lichen.engine.ports import Delivery
from lichen.tools.egress.reach import Gone, NotReached, Request

FETCH_S: Final = 30.0
AGAIN: Final = Delivery("retry", "file_unreachable")


class Upload(msgspec.Struct, frozen=True):
    """Where a file lies, and what it is called."""

    url: str
    name: str


class _Stopped(Exception):
    """It goes no further: `delivery` says why."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery.code)
        self.delivery = delivery


class Uploader:
    """Hands files over to one workspace."""

    def __init__(self, host: Host, api: Api, headers: Headers) -> None:
        self._host, self._api, self._headers = host, api, headers

    async def send(self, upload: Upload, address: Address) -> Delivery:
        """What became of a file."""
        try:
            data = await self._fetched(upload)
            id = await self._handed(upload, data)
            thread = {"thread_ts": address.thread} if address.thread else {}
            files = [{"id": id, "title": upload.name}]
            return await self._shown({"files": files, "channel_id": address.channel, **thread})
        except _Stopped as stopped:
            return stopped.delivery

    async def _fetched(self, upload: Upload) -> bytes:
        """The bytes of a file. One that is not there, or too large, is not tried again."""
        is_local = self._host.is_development and urlsplit(upload.url).hostname in LOCAL
        request = Request("GET", upload.url)
        try:
            found = await self._host.reach.ask(request, FETCH_S, is_private=is_local, bytes_max=FILES_BYTES_MAX)
        except (NotReached, Gone, TimeoutError):
            raise _Stopped(AGAIN) from None
        except LichenError as error:
            raise _Stopped(Delivery("failed", error.code)) from None
        if found.status >= 500 or found.status == 429:
            raise _Stopped(AGAIN)
        if found.status != 200 or not found.body:
            raise _Stopped(Delivery("failed", "file_gone"))
        return found.body

    async def _handed(self, upload: Upload, data: bytes) -> str:
        """The id under which Slack has the bytes, which nobody sees yet."""
        asked = urlencode({"filename": upload.name, "length": len(data)})
        told = self._good(await self._step(self._api, "GET", f"api/files.getUploadURLExternal?{asked}"))
        url, id = told.get("upload_url"), told.get("file_id")
        if not isinstance(url, str) or not isinstance(id, str):
            raise _Stopped(Delivery("failed", "slack_unreadable"))
        try:
            at = where(url, self._host, self._api)
        except LichenError as error:
            raise _Stopped(Delivery("failed", error.code)) from None
        answer = await self._step(at, "POST", url, content=data)
        if not answer.is_ok:
            raise _Stopped(AGAIN)
        return id

    async def _step(self, api: Api, method: str, path: str, *, content: bytes = b"") -> Answer:
        """The answer to a step that may be made again."""
        headers = {} if content else await self._headers(api)  # the address of an upload is its own proof
        try:
            return await api.ask(method, path, content=content, media_type="application/octet-stream", headers=headers)
        except NotSent as refused:
            raise _Stopped(refused.delivery) from None
        except CutOff:
            raise _Stopped(AGAIN) from None

    def _good(self, answer: Answer) -> dict[str, Any]:
        found = delivery(answer, self._host.now_us())
        if found.outcome != "delivered":
            raise _Stopped(AGAIN if found.outcome == "unknown" else found)
        return fields_of(answer)

    async def _shown(self, body: dict[str, Any]) -> Delivery:
        try:
            headers = await self._headers(self._api)
            answer = await self._api.ask("POST", "api/files.completeUploadExternal", json=body, headers=headers)
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        return delivery(answer, self._host.now_us())
