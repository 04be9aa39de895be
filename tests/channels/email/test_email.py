"""E-mail does what every channel must; who a mail is from, in which thread, and which are never answered."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec
import pytest

from lichen.channels.email.channel import EmailChannel, EmailSettings
from lichen.channels.email.threads import Address
from lichen.channels.port import Arrival
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import is_claimed
from lichen.engine.brief.memory import whose
from lichen.engine.ports import Outbound
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.email.mails import SCOPE, channel, mail, parsed, posted
from tests.channels.email.server import USER, Post, Sent

TRUSTED = "mx.shop.example"


class TestEmail(ChannelConformance):
    proofs = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def channel(self) -> EmailChannel:
        made: EmailChannel = channel()
        return made

    def body(self, text: str, id: str, conversation: str) -> bytes:
        return msgspec.json.encode({"text": text, "id": id, "from": conversation})

    def arrival(self, body: bytes) -> Arrival:
        """The mail that these fields make; what are no fields is posted as it is."""
        try:
            said = msgspec.json.decode(body, type=dict[str, Any])
        except (ValueError, RecursionError):
            return posted(body)
        told = {name: str(value) for name, value in said.items()}
        sender = f"{told.get('from', '')}@customer.example"
        named = {"Message-ID": f"<{told['id']}@customer.example>"} if "id" in told else {"Message-ID": ""}
        return posted(mail(told.get("text", ""), sender, **named))

    def words(self, rendered: dict[str, Any]) -> str:
        return rendered["text"]

    @contextmanager
    def platform(self, channel: EmailChannel) -> Generator[Sequence[Received]]:
        with Post() as post:
            channel.send = _channel(post).send  # pyright: ignore[reportAttributeAccessIssue]
            yield _Got(post, self._address())


def _channel(post: Post) -> EmailChannel:
    return channel(post)


class _Got(Sequence[Received]):
    def __init__(self, post: Post, address: bytes) -> None:
        self._post, self._address = post, address

    def __len__(self) -> int:
        return len(self._post.sent)

    def __getitem__(self, i: Any) -> Any:
        found: list[Any] = [self._received(each) for each in self._post.sent]
        return found[i]

    def _received(self, sent: Sent) -> Received:
        assert sent.to == [msgspec.json.decode(self._address, type=Address).to]
        return Received(str(sent.mail["Message-ID"]), plain_of(sent), self._address)


def plain_of(sent: Sent) -> str:
    """The plain text of a mail that was sent."""
    for part in sent.mail.walk():
        if part.get_content_type() == "text/plain":
            return cast("bytes", part.get_payload(decode=True)).decode().replace("\r\n", "\n").rstrip("\n")
    raise AssertionError("it has no plain text")


# -- who ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.11")
@pytest.mark.parametrize(
    "sender",
    [
        "ann@customer.example", "Ann <ann@customer.example>", '"Ann, of Customer" <Ann@Customer.example>',
        "=?utf-8?q?=C3=84nn?= <ann@customer.example>", "Änn (of Customer) <ann@customer.example>",
        "ann@customer.example (Ann)", '"bob@x.example" <ann@customer.example>', "<ann@customer.example>",
    ],
)  # fmt: skip
def test_a_mail_is_from_the_one_address_in_it(sender: str) -> None:
    assert parsed(mail(sender=sender)).sender.id == "email:claimed:ann@customer.example"


@pytest.mark.req("GRE-62.11")
@pytest.mark.parametrize(
    "sender",
    [
        "", "Ann", "<>", "ann@", "@customer.example", "a@b.example, c@d.example", "a@b.example <c@d.example>",
        "<a@b.example> <c@d.example>", "alice@example.org)bob@evil.example", "Team: ann@customer.example;",
        "(bob@customer.example) ann@customer.example", "bob (<ann@customer.example>",
        "ann@customer.example\r\nFrom: bob@customer.example", f"{'a' * 300}@customer.example", "ann@[10.0.0.1]",
        '"ann@customer.example" <bob>', "ann@customer.example (bob@customer.example", "änn@customer.example",
    ],
)  # fmt: skip
def test_a_mail_whose_sender_could_be_read_as_two_is_refused(sender: str) -> None:
    with pytest.raises(Invalid) as refused:
        channel().parse(SCOPE, posted(mail(sender=sender)), None)
    assert refused.value.code == "sender_invalid"


# https://www.rfc-editor.org/rfc/rfc8601#appendix-B, and dmarc as RFC 7489, appendix C adds it
PASS = "dmarc=pass header.from=customer.example"


@pytest.mark.req("GRE-62.12")
@pytest.mark.parametrize(
    ("results", "is_proven"),
    [
        ((f"{TRUSTED}; {PASS}",), True),
        ((f"{TRUSTED} 1; spf=pass smtp.mailfrom=x@y.example; {PASS}",), True),
        ((f"{TRUSTED} (a comment);\r\n dkim=pass (good); dmarc=pass (p=reject) header.from=customer.example",), True),
        ((f"MX.Shop.Example; dmarc = pass header.from={'CUSTOMER'}.example",), True),
        ((), False),
        ((f"{TRUSTED}; none",), False),
        ((f"{TRUSTED}; dmarc=fail header.from=customer.example",), False),
        ((f"{TRUSTED}; dmarc=pass header.from=other.example",), False),
        ((f"{TRUSTED}; dmarc=pass",), False),
        ((f"{TRUSTED}; spf=pass; dkim=pass header.d=customer.example",), False),
        ((f"{TRUSTED}; spf=fail reason=\"{PASS}\"",), False),
        ((f"{TRUSTED}; (dmarc=pass header.from=customer.example) dmarc=fail header.from=customer.example",), False),
        ((f"mx.evil.example; {PASS}",), False),
        ((f"{TRUSTED}.evil.example; {PASS}",), False),
        ((f"{TRUSTED}; dmarc=fail header.from=customer.example", f"{TRUSTED}; {PASS}"), False),
    ],
)  # fmt: skip
def test_only_what_the_trusted_host_found_itself_proves_a_sender(results: tuple[str, ...], is_proven: bool) -> None:
    head = "".join(f"Authentication-Results: {each}\r\n" for each in results)
    message = parsed(head.encode() + mail(), trusted_host=TRUSTED)
    who = "email:ann@customer.example" if is_proven else "email:claimed:ann@customer.example"
    assert message.sender.id == who
    assert is_claimed(message.sender.id) != is_proven
    assert (message.envelope or {})["metadata"]["email.sender"] == ("proven" if is_proven else "claimed")
    assert is_claimed(parsed(head.encode() + mail()).sender.id), "without a trusted host nobody is proven"


@pytest.mark.req("GRE-62.12")
def test_whoever_claims_an_address_is_in_no_conversation_of_whom_it_belongs_to() -> None:
    proven = parsed(f"Authentication-Results: {TRUSTED}; {PASS}\r\n".encode() + mail(), trusted_host=TRUSTED)
    claimed = parsed(mail(), trusted_host=TRUSTED)
    assert proven.conversation != claimed.conversation
    nothing: Any = None
    with pytest.raises(Denied) as refused:
        whose(nothing, nothing, claimed.sender, "person")
    assert refused.value.code == "memory_denied"


@pytest.mark.req("GRE-62.12")
def test_where_senders_have_to_be_proven_a_claimed_one_is_refused() -> None:
    made = channel(trusted_host=TRUSTED, senders="proven")
    with pytest.raises(Denied) as refused:
        made.parse(SCOPE, posted(mail()), None)
    assert refused.value.code == "sender_unproven"
    assert made.parse(SCOPE, posted(f"Authentication-Results: {TRUSTED}; {PASS}\r\n".encode() + mail()), None)


# -- what nobody waits for an answer to --------------------------------------------------------------------------

# https://www.rfc-editor.org/rfc/rfc3464#appendix-E.1
BOUNCE = b"""Date: Thu, 7 Jul 1994 17:16:05 -0400\r
From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>\r
Message-Id: <199407072116.RAA14128@CS.UTK.EDU>\r
Subject: Returned mail: Cannot send message for 5 days\r
To: <owner-info-mime@cs.utk.edu>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status;\r
      boundary="RAA14128.773615765/CS.UTK.EDU"\r
\r
--RAA14128.773615765/CS.UTK.EDU\r
\r
The original message was received at Sat, 2 Jul 1994 17:10:28 -0400\r
--RAA14128.773615765/CS.UTK.EDU--\r
"""


@pytest.mark.req("GRE-62.13")
@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"}, {"Auto-Submitted": "auto-generated; owner-email=x"}, {"Precedence": "bulk"},
        {"Precedence": "List"}, {"List-Id": "<news.example>"}, {"List-Unsubscribe": "<mailto:x@y.example>"},
        {"X-Auto-Response-Suppress": "All"}, {"Return-Path": "<>"}, {"X-Autoreply": "yes"},
        {"From": "MAILER-DAEMON@customer.example"}, {"From": "no-reply@customer.example"}, {"From": USER},
        {"From": f"Us <{USER.upper()}>"}, {"Content-Type": 'multipart/report; boundary="x"'},
    ],
)  # fmt: skip
def test_what_no_person_wrote_is_never_answered(headers: dict[str, str]) -> None:
    assert channel().parse(SCOPE, posted(mail(**headers)), None) == ()


@pytest.mark.req("GRE-62.13")
def test_a_bounce_and_our_own_mail_that_comes_back_are_never_answered() -> None:
    assert channel().parse(SCOPE, posted(BOUNCE), None) == ()
    own = channel().render(answer(parsed(mail()).address))["id"]
    forwarded = mail(Message_ID=f"<{own}>")
    assert channel().parse(SCOPE, posted(forwarded), None) == ()


@pytest.mark.req("GRE-62.13")
def test_a_person_who_says_that_a_person_wrote_is_answered() -> None:
    assert parsed(mail(**{"Auto-Submitted": "no", "Precedence": "normal", "Return-Path": "<ann@customer.example>"}))


# -- threads -----------------------------------------------------------------------------------------------------


def answer(address: bytes, saying: Saying | str = "It is so.", id: str = "o1", **more: Any) -> Outbound:
    said = Saying.of(saying)
    return Outbound(MessageId(id), SessionId("ses-1"), "answer", said, 1_760_000_000_000_000, address, **more)


@pytest.mark.req("GRE-62.14")
@pytest.mark.parametrize("how", ["all", "cut", "in_reply_to"])
def test_an_answer_to_our_answer_is_in_the_conversation_of_the_first_mail(how: str) -> None:
    """RFC 5322, 3.6.4: also where a program leaves all but our own mail out."""
    first = parsed(mail(Subject="Order"))
    said = channel().render(answer(first.address))
    ours = f"<{said['id']}>"
    headers = {
        "all": {"References": f"<m1@customer.example> {ours}", "In-Reply-To": ours},
        "cut": {"References": f"<x@elsewhere.example> {ours}"},
        "in_reply_to": {"In-Reply-To": ours},
    }[how]
    second = parsed(mail("Thanks.", Message_ID="<m2@customer.example>", Subject="Re: Order", **headers))
    assert second.conversation == first.conversation
    assert (second.text, second.id != first.id) == ("Thanks.", True)
    answered = channel().render(answer(second.address, id="o2"))
    assert (answered["in_reply_to"], answered["subject"]) == ("m2@customer.example", "Re: Order")
    assert answered["references"][-1] == "m2@customer.example"
    assert said["id"] in answered["references"]


@pytest.mark.req("GRE-62.14")
def test_another_mail_and_another_person_in_the_thread_have_conversations_of_their_own() -> None:
    first = parsed(mail())
    other = parsed(mail(Message_ID="<m9@customer.example>"))
    cc = parsed(mail(sender="bob@customer.example", Message_ID="<m3@b.example>", References="<m1@customer.example>"))
    assert len({first.conversation, other.conversation, cc.conversation}) == 3


@pytest.mark.req("GRE-62.14")
def test_a_mail_without_an_id_is_known_by_all_that_it_says() -> None:
    first, again, other = (parsed(mail(text, Message_ID="")) for text in ("a", "a", "b"))
    assert first.id == again.id != other.id


@pytest.mark.req("GRE-62.14")
def test_a_thread_without_end_stays_small() -> None:
    references = " ".join(f"<{n}.{'x' * 200}@customer.example>" for n in range(500))
    message = parsed(mail(References=references, In_Reply_To="<y@customer.example>"))
    address = msgspec.json.decode(message.address, type=Address)
    assert len(message.address) <= 8 * 1024
    assert address.references[0].startswith("0.")


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"address": "support"}, {"address": "a@b.example\r\nBcc: c@d.example"}, {"senders": "proven"}, {"secrets": []},
        {"imap_host": "imap.shop.example"}, {"imap_folder": "a\r\nb"}, {"from_name": "a\nb"}, {"smtp_security": "ssl"},
    ],
)  # fmt: skip
def test_settings_that_could_not_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"address": USER, "smtp_host": "smtp.shop.example", **settings}, EmailSettings)
