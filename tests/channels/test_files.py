"""Files of customers bear the name that their platform gives them, as it may be shown, and are what their bytes are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from lichen import Runtime
from lichen.channels.platform.calling import Answer
from lichen.channels.platform.files import attachment_of, disposed_name, named_file, safe_name
from lichen.channels.port import Fetched, FileRef
from lichen.core.speech.attached import NAME_CHARS_MAX
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site
from tests.channels.mattermost.server import FILE, TOKEN, Mattermost

PDF = b"%PDF-1.7\n"


@pytest.mark.req("LIC-16.18")
@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="invoice.pdf"', "invoice.pdf"),
        ("attachment; filename=invoice.pdf", "invoice.pdf"),
        ('INLINE; FILENAME= "an example.html"', "an example.html"),  # RFC 6266, 5
        ("attachment; filename*= UTF-8''%e2%82%ac%20rates", "€ rates"),  # RFC 6266, 5
        ("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "€ rates"),  # RFC 6266, 5
        ("attachment; filename*=iso-8859-1'en'%A3%20rates", "£ rates"),  # RFC 8187, 3.2.3
        ('attachment; filename="say \\"hi\\".txt"', 'say "hi".txt'),
        ('attachment; filename="Gr\u00c3\u00bc\u00c3\u009fe.pdf"', "Grüße.pdf"),  # the bytes of UTF-8, as Latin-1
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''..%5C..%5Cboot.ini", "boot.ini"),
        ("attachment; filename*=UTF-8''a%00b%0D%0Ac.pdf", "abc.pdf"),
        ("attachment; filename*=UTF-8''invoice%E2%80%AEfdp.exe", "invoicefdp.exe"),  # what turns the writing around
        ("attachment; filename*=UTF-8''%ff%fe", "\ufffd\ufffd"),
        ('attachment; filename=".."', ""),
        ("attachment", ""),
        ("", ""),
        ('attachment; filename="' + "x" * 5_000, ""),
    ],
)
def test_a_files_name_is_read_as_it_may_be_shown(header: str, name: str) -> None:
    assert disposed_name(header) == name


@pytest.mark.req("LIC-16.18")
def test_a_name_without_end_is_cut() -> None:
    assert len(safe_name("x" * 10_000)) == NAME_CHARS_MAX
    assert safe_name("\ud800.pdf") == "?.pdf"


@pytest.mark.req("LIC-16.18")
def test_a_file_has_its_platforms_name_and_type_and_where_there_are_none_those_of_the_message() -> None:
    ref = FileRef("f1", "file")
    headers = {"content-disposition": 'attachment; filename="invoice.pdf"', "content-type": "application/pdf; x=y"}
    got = named_file(Answer(200, PDF, headers), "Webex")
    assert got == Fetched(PDF, "invoice.pdf", "application/pdf")
    shown = attachment_of(ref, got)
    assert (shown["name"], shown["contentType"]) == ("invoice.pdf", "application/pdf")
    for bare in (PDF, Fetched(PDF), named_file(Answer(200, PDF, {"content-type": "<b>"}), "Webex")):
        shown = attachment_of(ref, bare)
        assert (shown["name"], shown["contentType"]) == ("file", "application/pdf")
    assert attachment_of(FileRef("f1", "a/b\u202e.pdf"), PDF)["name"] == "b.pdf"


@pytest.mark.req("LIC-16.18")
def test_a_file_is_what_its_bytes_are_whatever_its_platform_says() -> None:
    for said in ("image/png", "text/html", "application/octet-stream", ""):
        assert attachment_of(FileRef("f1"), Fetched(PDF, "a.png", said))["contentType"] == "application/pdf"


PROJECT = """
[lichen]
agents = ["shop.py:clerk"]
home = "data"

[tenants.acme]
environments = ["dev"]
development = ["dev"]

[tenants.acme.mattermost]
api_base_url = "{url}"
username = "helper"
bot_token = "env:BOT_TOKEN"
tokens = ["env:HOOK_TOKEN"]
"""
SHOP = '''
import json
from lichen import Agent
from lichen.core.ports.plan import Plan


class Clerk:
    """Says what came."""

    pure, digest = True, "clerk"

    async def plan(self, step):
        (file,) = step.input[-1].data["attachments"]
        return Plan(answer=json.dumps([file["name"], file["contentType"], file["size"]], ensure_ascii=False))


clerk = Agent("shop.clerk", planner=Clerk())
'''


@pytest.mark.req("LIC-16.18")
async def test_an_agent_reads_the_name_that_a_file_has_at_its_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_TOKEN", TOKEN)
    monkeypatch.setenv("HOOK_TOKEN", "hook")
    (tmp_path / "shop.py").write_text(SHOP)
    with Mattermost() as server:
        (tmp_path / "lichen.toml").write_text(PROJECT.format(url=server.url))
        async with Runtime.of(load(tmp_path / "lichen.toml", environ={})) as runtime:
            transport = httpx.ASGITransport(make_site(runtime))
            said = {"token": "hook", "user_id": "u9", "user_name": "ann", "trigger_word": "@helper", "text": "@helper"}
            where = {"team_id": "t1", "channel_id": "c1", "post_id": "p1", "file_ids": FILE}
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                answered = await client.post("/v1/messaging/ingress/mattermost/acme", json={**said, **where})
                assert answered.status_code == 200, answered.text
                async with asyncio.timeout(20):
                    await runtime.idle()
        assert json.loads(server.posted[0]["message"].replace("\\", "")) == ["Grüße \N{CAT}.png", "image/png", 108]
