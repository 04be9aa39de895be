"""What a customer uploads: one body of a message and its files, bounded in bytes, in time, and in how many at once."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from starlette.requests import HTTPConnection, Request

from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.serve.files.multipart import parts_of
from lichen.serve.http.exchange import read_body
from lichen.serve.http.limits import Slots, client_of

ACTIVITY: Final = "application/vnd.microsoft.activity"
BODY_BYTES_MAX: Final = FILES_BYTES_MAX + 256 * 1024
UPLOAD_S: Final = 120.0  # for all of it
UPLOADS_MAX: Final = 24  # that are read at once, since each is held in memory
UPLOADS_EACH_MAX: Final = 4  # of one address


class Upload(NamedTuple):
    """The activity of an upload as it came, and its files as attachments of it, their bytes as they are."""

    activity: bytes
    attachments: tuple[dict[str, Any], ...]


async def read_upload(request: Request, slots: Slots) -> bytes:
    """The body of an upload. Raises TooMany (`all_taken`), and as `read_body` does."""
    client = client_of(request)
    slots.check(client)
    with slots.holding(client):
        return await read_body(request, bytes_max=BODY_BYTES_MAX, within_s=UPLOAD_S)


def upload_of(request: HTTPConnection, body: bytes) -> Upload:
    """What was uploaded: parts, one of which may be an activity, or a file alone. Raises Invalid
    (`multipart_invalid`)."""
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/"):
        return Upload(b'{"type":"message"}', (_file("", content_type, body),))
    activity, files = b'{"type":"message"}', list[dict[str, Any]]()
    for part in parts_of(content_type, body):
        if part.name == "activity" or part.media_type.partition(";")[0].strip() == ACTIVITY:
            activity = part.data
        else:
            files.append(_file(part.filename, part.media_type, part.data))
    return Upload(activity, tuple(files))


def _file(name: str, media_type: str, data: bytes) -> dict[str, Any]:
    return {"contentType": media_type, "content": data, "name": name}
