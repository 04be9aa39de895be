"""Mails as people's programs write them, and a channel to read and answer them with."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from lichen.channels.email.channel import EmailChannel, EmailSettings
from lichen.channels.port import Arrival, Inbound, Setup, Unhosted
from lichen.channels.webhook.schemes import standard_signature
from lichen.core.words.scope import Scope
from tests.channels.email.server import HERE, PASSWORD, USER, Post, certificates

SCOPE = Scope("acme", "dev")
NOW_S = 1_760_000_000
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def channel(post: Post | None = None, *, security: str = "starttls", is_development: bool = True, **said: Any) -> Any:
    """The channel of support@shop.example, over the servers of a `post`."""
    secrets = {"secret:email-password": PASSWORD, "secret:email-webhook-secret": KEY}
    host = Unhosted(
        secrets,
        clock=lambda: NOW_S * 1_000_000,
        root=certificates(HERE).authority.parent,
        is_development=is_development,
    )
    table: dict[str, Any] = {"address": USER, "smtp_host": HERE, "smtp_security": security, "ca_file": "ca.pem", **said}
    if post is not None:
        table = {"smtp_port": post.smtp_port, "user": USER, **table}
    return EmailChannel(Setup(SCOPE, msgspec.convert(table, EmailSettings), host=host))


def with_mailbox(post: Post, *, security: str = "starttls", **said: Any) -> EmailChannel:
    """The same, with the mailbox of the `post`, looked into all the time."""
    mailbox: dict[str, Any] = {
        "imap_host": HERE,
        "imap_port": post.imap_port,
        "imap_security": security,
        "poll_s": 0.05,
    }
    return channel(post, security=security, **{**mailbox, **said})


def mail(text: str | bytes = "Hello?", sender: str = "Ann <ann@customer.example>", **headers: str) -> bytes:
    """A mail with a text in UTF-8."""
    body = text.encode() if isinstance(text, str) else text
    encoded = base64.encodebytes(body)
    named = {"From": sender, "To": USER, "Message-ID": "<m1@customer.example>", "MIME-Version": "1.0"}
    named |= {"Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "base64"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return head.encode() + b"\r\n" + (encoded if named["Content-Transfer-Encoding"] else body)


def posted(raw: bytes) -> Arrival:
    """A mail as a provider posts it."""
    proofs = {"webhook-id": "w1", "webhook-timestamp": str(NOW_S)}
    proofs["webhook-signature"] = standard_signature(KEY, "w1", NOW_S, raw)
    return Arrival("POST", "/", {}, {**proofs, "content-type": "message/rfc822"}, raw, NOW_S * 1_000_000)


def parsed(raw: bytes, **said: Any) -> Inbound:
    """The message in a mail."""
    (message,) = channel(**said).parse(SCOPE, posted(raw), None)
    return message
