"""A customer writes a mail: it comes by the real door or out of a mailbox, and the answer arrives in its thread."""

from __future__ import annotations

import asyncio
import base64
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from lichen import Runtime
from lichen.channels.webhook.schemes import standard_signature
from lichen.runtime.project.loading import load
from lichen.serve.hooks.sources import ChannelSources
from lichen.serve.site import make_site
from tests.channels.email.mails import KEY, mail
from tests.channels.email.server import HERE, PASSWORD, USER, Post, Sent, certificates

DEADLINE_S = 20.0
PATH = "/v1/messaging/ingress/email/acme"
PROJECT = """
[lichen]
agents = ["shop.py:clerk"]
home = "data"

[tenants.acme]
environments = ["dev"]

[tenants.acme.email]
env = "dev"
address = "{user}"
smtp_host = "127.0.0.1"
smtp_port = {smtp}
imap_host = "127.0.0.1"
imap_port = {imap}
imap_security = "starttls"
poll_s = 0.05
user = "{user}"
password = "env:MAIL_PASSWORD"
secrets = ["env:MAIL_SECRET"]
trusted_host = "mx.shop.example"
ca_file = "ca.pem"
"""
SHOP = '''
import json
from lichen import Agent, Saying
from lichen.core.ports.plan import Plan, WaitRequest

CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "Which way?"}],
        "actions": [{"type": "Action.Submit", "title": "Send it", "data": {"way": "post"}},
                    {"type": "Action.Submit", "title": "Fetch it", "data": {"way": "shop"}}]}
FORM = {"type": "object", "required": ["name", "size"],
        "properties": {"name": {"type": "string", "title": "Your name"}, "size": {"enum": ["S", "M"], "title": "Size"}}}


class Clerk:
    """Asks what the customer wants to be asked, and says what they said."""

    pure, digest = True, "clerk"

    async def plan(self, step):
        if step.answers:
            (answer,) = step.answers
            return Plan(answer=f"{answer.outcome} {answer.body.decode()}")
        message = step.input[-1]
        word = message.text.split()[-1]
        if word == "ways":
            return Plan(answer=Saying("Which way?", card=CARD))
        if word == "form":
            return Plan(waits=(WaitRequest("clarification", "Tell us:", answer_schema=FORM),))
        if word == "refund":
            return Plan(waits=(WaitRequest("confirmation", "Really?"),))
        data = message.data or {}
        files = [each["name"] for each in data.get("attachments", ())]
        return Plan(answer=json.dumps([message.text, data.get("way"), files, data["metadata"]["email.sender"]]))


clerk = Agent("shop.clerk", planner=Clerk())
'''


class Site:
    """A runtime, its door, and the servers that it sends mails by."""

    def __init__(self, runtime: Runtime, client: httpx.AsyncClient, post: Post) -> None:
        self.runtime, self.client, self.post = runtime, client, post

    async def bring(self, raw: bytes, *, signed: bytes | None = None) -> int:
        """The status that a mail gets which a provider posts."""
        sent = int(time.time())
        mark = standard_signature(KEY, "w1", sent, raw if signed is None else signed)
        headers = {"webhook-id": "w1", "webhook-timestamp": str(sent), "webhook-signature": mark}
        answered = await self.client.post(PATH, content=raw, headers={**headers, "content-type": "message/rfc822"})
        async with asyncio.timeout(DEADLINE_S):
            await self.runtime.idle()
        return answered.status_code

    async def write(self, text: str, id: str, **headers: str) -> Sent:
        """The mail that answers one with this text."""
        before = len(self.post.sent)
        assert await self.bring(mail(text, Message_ID=f"<{id}@customer.example>", **headers)) == 200
        assert len(self.post.sent) == before + 1
        return self.post.sent[-1]


@asynccontextmanager
async def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> AsyncGenerator[Site]:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    monkeypatch.setenv("MAIL_SECRET", KEY)
    with Post() as post:
        (folder / "shop.py").write_text(SHOP)
        table = PROJECT.format(user=USER, smtp=post.smtp_port, imap=post.imap_port)
        (folder / "lichen.toml").write_text(f"{table}{more}\n")
        shutil.copy(certificates(HERE).authority, folder / "ca.pem")
        async with Runtime.of(load(folder / "lichen.toml", environ={})) as runtime:
            transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                yield Site(runtime, client, post)


def plain(sent: Sent) -> str:
    """The plain text of a mail."""
    part, _ = sent.mail.iter_parts()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    return str(part.get_content()).replace("\r\n", "\n")  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def replying(sent: Sent) -> dict[str, str]:
    """The headers of an answer to it."""
    own = str(sent.mail["Message-ID"])
    return {"In-Reply-To": own, "References": f"{sent.mail['References']} {own}"}


@pytest.mark.req("GRE-62.27")
async def test_a_customer_is_answered_in_their_thread_and_a_mail_that_comes_again_runs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch) as site:
        answered = await site.write("Hello", "m1", Subject="Order 17")
        assert msgspec.json.decode(plain(answered)) == ["Order 17\n\nHello", None, [], "claimed"]
        assert (answered.to, answered.mail["In-Reply-To"]) == (["ann@customer.example"], "<m1@customer.example>")
        assert await site.bring(mail("Hello", Message_ID="<m1@customer.example>", Subject="Order 17")) == 200
        assert len(site.post.sent) == 1, "it was brought again"
        quoted = f"And now?\n\nOn Thu, Support <{USER}> wrote:\n> Hello"
        second = await site.write(quoted, "m2", Subject="Re: Order 17", **replying(answered))
        assert msgspec.json.decode(plain(second))[0] == "And now?"
        assert str(answered.mail["Message-ID"]) in str(second.mail["References"])
        assert await site.bring(mail(Auto_Submitted="auto-replied", **replying(second))) == 200
        assert len(site.post.sent) == 2, "no program is answered"
        assert await site.bring(mail("Forged"), signed=mail("Hello")) == 403
        assert len(site.post.sent) == 2


@pytest.mark.req("GRE-62.27")
async def test_a_customer_chooses_by_number_fills_a_form_in_and_confirms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch) as site:
        listed = await site.write("ways", "m1")
        assert plain(listed) == "Which way?\n\n1. Send it\n2. Fetch it"
        chosen = await site.write("2\n\n> 1. Send it\n> 2. Fetch it", "m2", **replying(listed))
        assert msgspec.json.decode(plain(chosen))[:2] == ["Fetch it", "shop"]
        asked = await site.write("form", "m3")
        assert plain(asked) == "Tell us:\n\nYour name: …\nSize: … (S, M)"
        again = await site.write("Your name: Ann\nSize: XL", "m4", **replying(asked))
        assert "answered" not in plain(again)
        filled = await site.write("Your name: Ann\nSize: M\n\n> Your name: …", "m5", **replying(again))
        assert '"name":"Ann"' in plain(filled)
        assert '"size":"M"' in plain(filled)
        really = await site.write("refund", "m6")
        assert plain(really).startswith("Really?")
        assert plain(await site.write("Yes", "m7", **replying(really))).startswith("confirmed")


@pytest.mark.req("GRE-62.27")
async def test_a_mail_out_of_the_mailbox_with_a_file_and_a_proven_sender_is_answered_and_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = "Authentication-Results: mx.shop.example; dmarc=pass header.from=customer.example\r\n"
    pdf = base64.b64encode(b"%PDF-1.7\n").decode()
    parts = (
        "--b\r\nContent-Type: text/plain\r\n\r\nThe bill.\r\n--b\r\nContent-Type: application/pdf; name=bill.pdf\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{pdf}\r\n--b--\r\n"
    )
    raw = proof.encode() + mail(parts, Content_Type="multipart/mixed; boundary=b", Content_Transfer_Encoding="")
    async with opened(tmp_path, monkeypatch) as site:
        sources = ChannelSources()
        await sources.start(site.runtime)
        site.post.arrive(raw)
        async with asyncio.timeout(DEADLINE_S):
            while site.post.flags() != [{"seen"}] or not site.post.sent:  # noqa: ASYNC110 - they are the servers'
                await asyncio.sleep(0.01)
        sources.drain()
        await sources.stop()
        assert msgspec.json.decode(plain(site.post.sent[0])) == ["The bill.", None, ["bill.pdf"], "proven"]
        assert await site.bring(raw) == 200, "a provider brings the same mail"
        assert len(site.post.sent) == 1
