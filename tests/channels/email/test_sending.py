"""Mails as they leave, over a real SMTP server; what became of each is known by where it ended."""

from __future__ import annotations

import socket
from typing import Any

import msgspec
import pytest

from lichen.channels.email.smtp import Server
from lichen.channels.email.threads import Address
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Unavailable
from lichen.core.words.ids import MessageId, SessionId
from lichen.engine.ports import Outbound
from tests.channels.email.mails import SCOPE, channel, with_mailbox
from tests.channels.email.server import USER, Post, Refusal

ADDRESS = Address("ann@customer.example", "a" * 24, "Order 17", "m1@customer.example", ("m0@customer.example",))
NOW_US = 1_760_000_000_000_000


def outbound(saying: Saying | str = "It is so.", id: str = "o1", address: Address = ADDRESS, **more: Any) -> Outbound:
    where = msgspec.json.encode(address)
    return Outbound(MessageId(id), SessionId("ses-1"), "answer", Saying.of(saying), NOW_US, where, **more)


async def sent(said: Outbound, **settings: Any) -> Any:
    """The mail that a server got."""
    with Post() as post:
        assert (await channel(post, **settings).send(SCOPE, said)).outcome == "delivered"
        (found,) = post.sent
        return found


def test_what_is_said_to_a_server_waits_for_no_acknowledgement() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        Server("mail.example", listening.getsockname()[1], "127.0.0.1", "none").connected(5) as connected,
    ):
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.req("GRE-62.19")
async def test_a_mail_is_in_its_thread_and_marked_as_no_persons() -> None:
    found = await sent(outbound(), from_name="The Shop, Ltd.")
    mail = found.mail
    assert (found.sender, found.to) == (USER, ["ann@customer.example"])
    assert mail["From"] == f'"The Shop, Ltd." <{USER}>'
    assert (mail["To"], mail["Subject"]) == ("ann@customer.example", "Re: Order 17")
    assert mail["In-Reply-To"] == "<m1@customer.example>"
    assert mail["References"] == "<m0@customer.example> <m1@customer.example>"
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-replied", "All")  # RFC 3834, 5
    assert mail["Date"] == "Thu, 09 Oct 2025 08:53:20 +0000"
    assert mail["Message-ID"].endswith("@shop.example>")


@pytest.mark.req("GRE-62.19")
async def test_the_same_message_is_the_same_mail_byte_for_byte_and_another_is_not() -> None:
    with Post() as post:
        for id in ("o1", "o1", "o2"):
            assert (await channel(post).send(SCOPE, outbound(id=id))).outcome == "delivered"
    first, again, other = (each.raw for each in post.sent)
    assert first == again
    assert [each.mail["Message-ID"] for each in post.sent[1:]] != [post.sent[0].mail["Message-ID"]] * 2
    assert other != first


CARD = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [
        {"type": "TextBlock", "text": "Title", "weight": "bolder", "size": "large"},
        {"type": "TextBlock", "text": "Is it **so**?"},
        {"type": "Image", "url": "https://e.com/a.png?x=1&y=2", "altText": 'A "picture"'},
    ],
    "actions": [
        {"type": "Action.Submit", "title": "Yes", "data": {"so": True}},
        {"type": "Action.Submit", "title": "No", "data": {"so": False}},
        {"type": "Action.OpenUrl", "title": "Read", "url": "https://e.com/read"},
    ],
}


@pytest.mark.req("GRE-62.20")
async def test_a_card_is_words_with_its_choices_as_a_list_and_the_same_in_html_with_its_picture() -> None:
    files = (Attachment("application/pdf", "https://e.com/b.pdf", "b.pdf"),)
    mail = (await sent(outbound(Saying("A card.", CARD, files)))).mail
    plain, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert plain == (
        "Title\nIs it so?\n\n1. Yes\n2. No\n\nRead (https://e.com/read)\n\nb.pdf: https://e.com/b.pdf"
    )  # fmt: skip
    assert '<img src="https://e.com/a.png?x=1&amp;y=2" alt="A &quot;picture&quot;"' in html
    assert "Is it <b>so</b>?<br>" in html
    assert '<a href="https://e.com/b.pdf">b.pdf</a>' in html


@pytest.mark.req("GRE-62.20")
@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a\n  b\n.\n..\nc", "x" * 20_000, "é\u2028f"],
)
async def test_what_is_said_is_words_in_html_too_and_arrives_as_it_was(text: str) -> None:
    mail = (await sent(outbound(text))).mail
    plain, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert plain == text.replace("\u2028", " ")
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.req("GRE-62.19")
@pytest.mark.parametrize("subject", ["a\r\nBcc: eve@x.example", "Grüße " * 60, "", "AW: Order", "\ud800"])
async def test_no_subject_becomes_another_header(subject: str) -> None:
    told = " ".join(subject.split()).replace("\ud800", "?")
    mail = (await sent(outbound(address=Address("ann@customer.example", "a" * 24, told)))).mail
    assert mail["Bcc"] is None
    assert mail["Subject"] == (told if told.startswith("AW:") else f"Re: {told or 'your message'}")
    assert mail["In-Reply-To"] is None


# -- what became of it -------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.21")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code", "pause_s"),
    [
        (Refusal("RCPT", "450 4.2.0 greylisted, come again"), "retry", "smtp_450", 300),
        (Refusal("MAIL", "421 4.7.0 too many connections"), "retry", "smtp_421", 60),
        (Refusal("RCPT", "550 5.1.1 no such user"), "failed", "recipient_refused", None),
        (Refusal("MAIL", "552 5.3.4 too large"), "failed", "mail_too_large", None),
        (Refusal("MAIL", "530 5.7.0 authentication required"), "retry", "credentials_refused", 60),
        (Refusal("DATA", "554 5.7.1 spam"), "failed", "mail_refused", None),
        (Refusal("DATA", "451 4.3.0 try again"), "retry", "smtp_451", 300),
        (Refusal("EHLO"), "retry", "platform_unreachable", None),
        (Refusal("MAIL"), "retry", "cut_off_before", None),
        (Refusal("RCPT"), "retry", "cut_off_before", None),
        (Refusal("DATA"), "unknown", "cut_off", None),
    ],
)
async def test_what_became_of_a_mail_is_known_by_where_it_ended(
    refusal: Refusal, outcome: str, code: str, pause_s: float | None
) -> None:
    with Post() as post:
        post.refusals.append(refusal)
        found = await channel(post).send(SCOPE, outbound())
        assert (found.outcome, found.code, found.retry_after_s) == (outcome, code, pause_s)
        assert post.sent == []
        assert (await channel(post).send(SCOPE, outbound())).outcome == "delivered"


@pytest.mark.req("GRE-62.21")
async def test_a_mail_that_was_taken_before_the_answer_was_cut_off_is_in_doubt() -> None:
    with Post() as post:
        post.refusals.append(Refusal("SENT"))
        found = await channel(post).send(SCOPE, outbound())
    assert (found.outcome, len(post.sent)) == ("unknown", 1)


@pytest.mark.req("GRE-62.21")
async def test_a_server_that_is_away_gets_it_later() -> None:
    found = await channel(smtp_port=1).send(SCOPE, outbound())
    assert (found.outcome, found.code) == ("retry", "platform_unreachable")


# -- TLS and who we are ------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.22")
async def test_over_tls_from_the_start() -> None:
    with Post(implicit=True) as post:
        assert (await channel(post, security="tls").send(SCOPE, outbound())).outcome == "delivered"
    assert len(post.sent) == post.logins == 1


@pytest.mark.req("GRE-62.22")
@pytest.mark.parametrize("implicit", [False, True])
async def test_no_password_goes_to_a_server_with_another_name_in_its_certificate(implicit: bool) -> None:
    with Post(implicit=implicit, name="mail.elsewhere.example") as post:
        found = await channel(post, security="tls" if implicit else "starttls").send(SCOPE, outbound())
    assert (found.outcome, found.code) == ("retry", "certificate_invalid")
    assert (post.logins, post.sent) == (0, [])


@pytest.mark.req("GRE-62.22")
async def test_no_password_goes_to_a_server_whose_certificate_nobody_vouches_for() -> None:
    with Post() as post:
        found = await channel(post, ca_file="").send(SCOPE, outbound())
    assert (found.outcome, found.code, post.logins) == ("retry", "certificate_invalid", 0)


@pytest.mark.req("GRE-62.22")
async def test_no_password_goes_to_a_server_that_offers_no_tls() -> None:
    with Post(tls=False) as post:
        found = await channel(post).send(SCOPE, outbound())
        assert (found.outcome, found.code, post.logins) == ("retry", "tls_missing", 0)
        assert (await channel(post, security="none", user="").send(SCOPE, outbound())).outcome == "delivered"
        refused = await channel(post, security="none", is_development=False).send(SCOPE, outbound())
    assert (refused.outcome, refused.code) == ("failed", "tls_required")


@pytest.mark.req("GRE-62.22")
async def test_a_name_that_leads_into_our_own_network_is_not_connected_to() -> None:
    found = await channel(smtp_host="localhost", is_development=False).send(SCOPE, outbound())
    assert (found.outcome, found.code) == ("failed", "address_denied")


@pytest.mark.req("GRE-62.22")
async def test_a_password_that_the_server_does_not_accept_is_tried_again_later() -> None:
    with Post() as post:
        made = channel(post, user="somebody@shop.example")
        found = await made.send(SCOPE, outbound())
        assert (found.outcome, found.code) == ("retry", "credentials_refused")
        with pytest.raises(Denied) as refused:
            await made.check()
    assert refused.value.code == "credentials_refused"


@pytest.mark.req("GRE-62.23")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_check_speaks_with_both_servers(security: str) -> None:
    with Post(implicit=security == "tls") as post:
        assert await channel(post, security=security).check() == f"{USER}, by 127.0.0.1"
        both = with_mailbox(post, security=security)
        assert await both.check() == f"{USER}, by 127.0.0.1, from 127.0.0.1"
        with pytest.raises(Denied):
            await with_mailbox(post, security=security, imap_user="nobody").check()
        with pytest.raises(Unavailable):
            await with_mailbox(post, security=security, imap_folder="Nowhere").check()
    with pytest.raises(Unavailable):
        await both.check()
