"""Reports of delivery settle the delivery that they are about, and are no messages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lichen.channels.email.threads import message_id
from lichen.channels.port import Report
from lichen.core.words.scope import Scope
from lichen.serve.hooks.sources import ChannelSources
from tests.channels.email.mails import SCOPE, channel, posted
from tests.channels.email.server import USER, Refusal
from tests.channels.email.test_door import DEADLINE_S, opened
from tests.channels.email.test_mailbox import until

THREAD = "a" * 24
OURS = message_id(THREAD, "ses-1", "o1", "shop.example")
FAILED = "Original-Recipient: rfc822;ann@customer.example\r\nFinal-Recipient: rfc822;ann@customer.example\r\n"


def bounce(id: str, status: str, *, returned: str = "message/rfc822", **headers: str) -> bytes:
    """A report as RFC 3464, appendix E has them, about a mail with this id."""
    named = {
        "Date": "Thu, 7 Jul 1994 17:16:05 -0400", "From": "Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>",
        "Message-Id": "<199407072116.RAA14128@CS.UTK.EDU>", "To": USER, "MIME-Version": "1.0",
        "Subject": "Returned mail: Cannot send message for 5 days", "Auto-Submitted": "auto-replied",
        "Content-Type": 'multipart/report; report-type=delivery-status;\r\n boundary="RAA14128.773615765/CS.UTK.EDU"',
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    between = "--RAA14128.773615765/CS.UTK.EDU"
    first = "The original message was received at Sat, 2 Jul 1994 17:10:28 -0400\r\n"
    second = f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; cs.utk.edu\r\n\r\n{status}"
    third = f"Content-Type: {returned}\r\n\r\nFrom: {USER}\r\nMessage-ID: <{id}>\r\nSubject: Order\r\n\r\nIt is so.\r\n"
    body = "".join(f"{between}\r\n{part}\r\n" for part in (f"\r\n{first}", second, third))
    return f"{head}\r\n{body}{between}--\r\n".encode()


def reported(raw: bytes) -> Any:
    made = channel()
    assert made.parse(SCOPE, posted(raw), None) == (), "it is no message"
    return made.reports(SCOPE, posted(raw))


# the blocks of RFC 3464, appendix E.1, E.2 and E.4, E.5
@pytest.mark.req("GRE-62.29")
@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (f"{FAILED}Action: failed\r\nStatus: 4.0.0\r\nDiagnostic-Code: smtp; 426 connection timed out\r\n",
         "failed", "smtp_4_0_0"),
        (f"{FAILED}Action: failed\r\nStatus: 5.1.1 (no such user)\r\n", "failed", "recipient_refused"),
        (f"{FAILED}ACTION: Failed\r\nStatus: 5.2.2\r\n", "failed", "mailbox_full"),
        (f"{FAILED}Action: failed\r\nStatus: 5.7.26\r\n", "failed", "mail_refused"),
        (f"{FAILED}Action: failed\r\nStatus: it is gone\r\n", "failed", "bounced"),
        (f"{FAILED}Action: relayed\r\nStatus: 2.1.9\r\n", "delivered", ""),
        (f"{FAILED}Action: delivered\r\nStatus: 2.0.0\r\n", "delivered", ""),
        (f"{FAILED}Action: delivered\r\nStatus: 2.0.0\r\n\r\n{FAILED}Action: failed\r\nStatus: 5.0.0\r\n",
         "failed", "smtp_5_0_0"),
    ],
)  # fmt: skip
def test_a_report_says_what_became_of_the_mail_that_it_brings_back(status: str, outcome: Any, code: str) -> None:
    for returned in ("message/rfc822", "text/rfc822-headers"):
        assert reported(bounce(OURS, status, returned=returned)) == (Report("ses-1", "o1", outcome, code),)


@pytest.mark.req("GRE-62.29")
def test_a_delay_another_persons_mail_and_what_is_no_report_say_nothing() -> None:
    failed = f"{FAILED}Action: failed\r\nStatus: 5.1.1\r\n"
    assert reported(bounce(OURS, f"{FAILED}Action: delayed\r\nStatus: 4.4.1\r\n")) == ()
    assert reported(bounce("199407021714.NAA14128@CS.UTK.EDU", failed)) == ()
    assert reported(bounce(message_id(THREAD, "ses-1", "o1", "other.example"), failed)) == ()
    assert reported(bounce(f"lichen.{THREAD}.{'0' * 32}@shop.example", failed)) == (), "as they were called before"
    assert reported(bounce(OURS, failed, returned="text/plain")) == ()
    plain = bounce(OURS, failed, Content_Type='multipart/mixed; boundary="RAA14128.773615765/CS.UTK.EDU"')
    assert channel().reports(SCOPE, posted(plain)) == ()


@pytest.mark.req("GRE-62.29")
def test_a_report_that_was_cut_off_anywhere_says_the_same_or_nothing() -> None:
    whole = bounce(OURS, f"{FAILED}Action: failed\r\nStatus: 5.1.1\r\n")
    for end in range(0, len(whole), 7):
        assert channel().reports(SCOPE, posted(whole[:end])) in (
            (),
            (Report("ses-1", "o1", "failed", "recipient_refused"),),
        )


@pytest.mark.req("GRE-62.29")
def test_a_mail_is_found_by_its_id_for_every_session_and_in_its_thread() -> None:
    for session, message in (("ses-0f1e2d3c4b5a69788796a5b4", "o1000"), ("a b@c", "o1"), ("s" * 100, "o1")):
        id = message_id(THREAD, session, message, "shop.example")
        assert len(id) <= 250
        failed = reported(bounce(id, f"{FAILED}Action: failed\r\nStatus: 5.1.1\r\n"))
        assert failed in ((), (Report(session, message, "failed", "recipient_refused"),))
        assert bool(failed) == (session.startswith("ses-"))


@pytest.mark.req("GRE-62.29")
@pytest.mark.parametrize("way", ["posted", "mailbox"])
async def test_a_bounce_of_an_answer_is_a_letter_and_nobody_is_answered(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch) as site:
        answered = await site.write("Hello", "m1", Subject="Order 17")
        id = str(answered.mail["Message-ID"]).strip("<>")
        raw = bounce(id, f"{FAILED}Action: failed\r\nStatus: 5.1.1\r\n")
        if way == "posted":
            assert await site.bring(raw) == 200
            assert await site.bring(raw) == 200, "it comes again"
        else:
            sources = ChannelSources()
            await sources.start(site.runtime)
            site.post.arrive(raw)
            await until(lambda: site.post.flags() == [{"seen"}])
            sources.drain()
            await sources.stop()
        async with asyncio.timeout(DEADLINE_S):
            await site.runtime.idle()
        assert len(site.post.sent) == 1
        assert [(row.state, row.message) for row in await _stranded(site.runtime)] == [("failed", "o1")]


@pytest.mark.req("GRE-62.29")
async def test_a_report_that_a_mail_arrived_settles_a_delivery_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, more='in_doubt = "hold"') as site:
        site.post.refusals.append(Refusal("SENT"))
        answered = await site.write("Hello", "m1")
        assert [row.state for row in await _stranded(site.runtime)] == ["in_doubt"]
        id = str(answered.mail["Message-ID"]).strip("<>")
        assert await site.bring(bounce(id, f"{FAILED}Action: delivered\r\nStatus: 2.0.0\r\n")) == 200
        assert await _stranded(site.runtime) == []
        assert len(site.post.sent) == 1


async def _stranded(runtime: Any) -> list[Any]:
    log = runtime.engine.journal(Scope("acme", "dev")).log
    await log.durable()
    return list(log.stranded_rows(10))
