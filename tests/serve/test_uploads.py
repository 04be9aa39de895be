"""Files in the web chat: uploaded as Direct Line does, and handed out again."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from lichen.core.words.errors import Invalid, TooMany
from lichen.runtime import Runtime
from lichen.serve.files.multipart import parts_of
from lichen.serve.files.upload import BODY_BYTES_MAX, UPLOADS_EACH_MAX
from lichen.serve.http.limits import Slots
from tests.serve.widget import Client, app_of, code, project_in, runtime_of

PNG = b"\x89PNG\r\n\x1a\n"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
ACTIVITY = b'{"type":"message","text":"Look","from":{"id":"ann"},"channelData":{"clientActivityID":"c1"}}'


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with runtime_of(project_in(tmp_path)) as runtime:
        yield runtime


@pytest.fixture
def app(runtime: Runtime) -> Starlette:
    return app_of(runtime)


@pytest.fixture
async def ann(app: Starlette) -> Client:
    return await Client(app).open()


def form(*parts: tuple[str, str, str, bytes], boundary: str = "xyz") -> tuple[bytes, dict[str, str]]:
    """A form of these parts: name, file name, media type, bytes."""
    body = b""
    for name, filename, media_type, data in parts:
        file = f'; filename="{filename}"' if filename else ""
        head = f'Content-Disposition: form-data; name="{name}"{file}\r\nContent-Type: {media_type}\r\n\r\n'
        body += f"--{boundary}\r\n{head}".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"content-type": f"multipart/form-data; boundary={boundary}"}


SAID = ("activity", "blob", "application/vnd.microsoft.activity", ACTIVITY)


async def uploaded(client: Client, *parts: tuple[str, str, str, bytes]) -> httpx.Response:
    body, headers = form(*parts)
    return await client.send("POST", f"{client.path}/upload?userId=ann", body, **headers)


@pytest.mark.req("LIC-24.70")
async def test_files_are_uploaded_as_the_official_widget_does_and_come_back_in_the_conversation(
    ann: Client, app: Starlette
) -> None:
    photo = PNG + bytes(range(256)) * 4_096 * 3  # 3 MiB
    found = await uploaded(
        ann, SAID, ("file", "größe.png", "image/png", photo), ("file", "x.svg", "image/svg+xml", SVG)
    )
    assert found.status_code == 200, found.text
    again = await uploaded(
        ann, SAID, ("file", "größe.png", "image/png", photo), ("file", "x.svg", "image/svg+xml", SVG)
    )
    assert again.json() == found.json()  # the same message sent again is the same message
    mine, _ = await ann.heard(2)
    assert (mine["id"], mine["text"]) == (found.json()["id"], "Look")
    assert [(each["contentType"], each["name"]) for each in mine["attachments"]] == [
        ("image/png", "größe.png"),
        ("image/svg+xml", "x.svg"),
    ]
    url = urlsplit(str(mine["attachments"][0]["contentUrl"]))
    assert (url.scheme, url.netloc) == ("http", "chat.test")
    stranger = Client(app)
    taken = await stranger.send("GET", f"{url.path}?{url.query}")
    assert taken.content == photo
    assert taken.headers["content-type"] == "image/png"
    drawn = urlsplit(str(mine["attachments"][1]["contentUrl"]))
    svg = await stranger.send("GET", f"{drawn.path}?{drawn.query}")
    assert svg.content == SVG
    assert svg.headers["content-type"] == "application/octet-stream"
    for answer in (taken, svg):
        assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
    assert code(await stranger.send("GET", url.path)) == (401, "token_missing")
    bob = await Client(app).open("bob")
    assert code(await bob.send("GET", url.path)) == (403, "token_conversation")
    missing = f"{url.path.rsplit('/', 1)[0]}/7?{url.query}"
    assert code(await stranger.send("GET", missing)) == (404, "attachment_unknown")


@pytest.mark.req("LIC-24.70")
async def test_a_file_may_come_without_words_alone_or_as_a_data_url(ann: Client) -> None:
    alone = await ann.send("POST", f"{ann.path}/upload", PNG, **{"content-type": "image/png"})
    assert alone.status_code == 200, alone.text
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    await ann.say("Look", attachments=[{"contentType": "image/png", "contentUrl": data, "name": "cup.png"}])
    heard = await ann.heard(4)
    mine = [each for each in heard if each["from"]["role"] == "user"]
    assert [(each["text"], len(each["attachments"])) for each in mine] == [("[image/png]", 1), ("Look", 1)]


@pytest.mark.req("LIC-24.71")
@pytest.mark.parametrize(
    ("parts", "status", "expected"),
    [
        ([("file", "a.png", "image/png", b"<html>")], 400, "attachment_mismatch"),
        ([("file", "a.png", "image/png", b"")], 400, "attachment_invalid"),
        ([("file", "a", "", PNG)] * 11, 400, "attachments_too_many"),
        ([("file", "a", "", PNG)] * 14, 400, "multipart_invalid"),
        ([("file", "a", "", PNG + bytes(8 * 2**20))], 413, "attachments_too_large"),
        ([("file", "a", "", bytes(BODY_BYTES_MAX))], 413, "body_too_large"),
        ([("file", "a", "x" * 5_000, PNG)], 400, "multipart_invalid"),
        ([("activity", "", "", b'{"type":"invoke"}')], 400, "activity_unsupported"),
    ],
)
async def test_an_upload_that_cannot_be_taken_is_refused_and_leaves_nothing(
    ann: Client, parts: list[Any], status: int, expected: str
) -> None:
    assert code(await uploaded(ann, *parts)) == (status, expected)
    assert (await ann.get())["activities"] == []


@pytest.mark.req("LIC-24.71")
async def test_nothing_is_read_of_an_upload_without_the_token_of_its_conversation(app: Starlette, ann: Client) -> None:
    body, headers = form(("file", "a", "", bytes(BODY_BYTES_MAX)))
    stranger = Client(app)
    found = await stranger.send("POST", f"{ann.path}/upload", body, **headers)
    assert code(found) == (401, "token_missing")  # and not that it is too large
    slots = Slots(most=UPLOADS_EACH_MAX, most_each=UPLOADS_EACH_MAX)
    for _ in range(UPLOADS_EACH_MAX):
        slots.enter("a")
    with pytest.raises(TooMany):
        slots.check("a")


@pytest.mark.req("LIC-24.71")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n\r\n\r\n--x--"),
        ("multipart/form-data; boundary=", b"--\r\n\r\n\r\n----"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--"),
        ("multipart/form-data; boundary=x", b"--x\r\na: b\r\n\r\nno end"),
        ("multipart/form-data; boundary=x", b"--x\r\nno head\r\n--x--"),
        ("multipart/form-data; boundary=" + "x" * 71, b"--x--"),
    ],
)
def test_a_form_that_is_none_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        parts_of(content_type, body)
    assert caught.value.code == "multipart_invalid"


def test_parts_are_read_whatever_is_in_them() -> None:
    data = b"--xy\r\n--xyz \r\n\r\n" + bytes(range(256))
    body, headers = form(("file", "a;b.png", "image/png", data), ("file", "", "text/plain", b""), boundary="wvu")
    first, second = parts_of(headers["content-type"], b"preamble\r\n" + body + b"epilogue")
    assert (first.name, first.filename, first.media_type, first.data) == ("file", "a;b.png", "image/png", data)
    assert (second.filename, second.data) == ("", b"")
