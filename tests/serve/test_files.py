"""Files with a message of the API, and in the console."""

from __future__ import annotations

import base64

import pytest

from lichen.core.words.scope import Customer
from lichen.runtime import Runtime
from tests.serve.asgi import Door
from tests.serve.console import ACME, signed_in
from tests.serve.talk import session

PNG = b"\x89PNG\r\n\x1a\n"


def url(data: bytes) -> str:
    return f"data:;base64,{base64.b64encode(data).decode()}"


@pytest.mark.req("LIC-24.72")
async def test_files_go_with_a_message_of_the_api_and_are_read_by_whoever_may_read_it(door: Door) -> None:
    customer, operator = door.of("acme", "customer-7"), door.of("acme", "ops")
    id = await session(customer)
    photo = PNG + bytes(2 * 2**20)
    files = [{"url": url(photo), "name": "cup.png", "media_type": "image/png"}]
    taken = await customer.post(f"sessions/{id}/messages", {"text": "Look", "input": {"a": 1}, "attachments": files})
    assert taken.status == 200, taken.data
    shown = (await operator.get(f"sessions/{id}")).data
    [file] = next(each["files"] for each in shown["transcript"] if each["role"] == "customer")
    assert (file["name"], file["media_type"], file["size_bytes"]) == ("cup.png", "image/png", len(photo))
    path = f"sessions/{id}/attachments/{file['n']}/{file['i']}"
    for who in (operator, customer):
        found = await who.get(path)
        assert (found.status, found.body) == (200, photo)
        assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''cup.png"
    assert (await door.of("acme", "customer-8").get(path)).status == 404
    for wrong in ("0/0", f"{file['n']}/1", "x/0", f"{file['n']}/-1", "99999999999999999999/0"):
        assert (await operator.get(f"sessions/{id}/attachments/{wrong}")).status == 404
    wrong = [{"url": url(PNG), "media_type": "image/jpeg"}]
    refused = await customer.post(f"sessions/{id}/messages", {"text": "Look", "attachments": wrong})
    assert (refused.status, refused.data["error"]["place"]) == (400, "/attachments/0/contentType")


@pytest.mark.req("LIC-24.73")
async def test_the_console_shows_the_files_of_a_conversation_and_hands_them_out(runtime: Runtime) -> None:
    found = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.support")
    await found.say("Look", data={"attachments": [{"contentUrl": url(PNG + b"1"), "name": "<b>cup.png"}]})
    await runtime.idle()
    async with signed_in(runtime) as client:
        page = (await client.get(f"/console/sessions/{found.id}")).text
        assert "&lt;b&gt;cup.png" in page
        address = page.partition('download><img src="')[2].partition('"')[0]
        file = await client.get(address)
    assert file.content == PNG + b"1"
    assert file.headers["content-disposition"].startswith("attachment;")
