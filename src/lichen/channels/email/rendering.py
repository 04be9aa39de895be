"""A message as a mail: plain text and the same in HTML, in its thread, marked as no person's.

Sources: RFC 5322; RFC 3834, which says how an automatic answer is marked so that no other program answers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr
from hashlib import sha256
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from lichen.channels.cards.capabilities import capabilities_of
from lichen.channels.cards.showing import Shown, shown
from lichen.channels.cards.writing import Para, Span, write
from lichen.channels.email.threads import Address, message_id
from lichen.core.speech.form import form_of
from lichen.core.speech.saying import Attachment
from lichen.engine.ports import Outbound

CAPABILITIES: Final = capabilities_of("email")
# Header and Charset, not EmailMessage: that loses spaces of long subjects.
_POLICY: Final = compat32.clone(linesep="\r\n")
_QUOTED_PRINTABLE: Final = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP
_LINE_ENDS: Final = re.compile(r"[\x00\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
_REPLIES: Final = re.compile(r"(?i)(re|aw|antw|sv|vs|ref|res|rv)\s?:")
_PRE: Final = re.compile(r"(<pre>.*?</pre>)", re.DOTALL)
_LEADING: Final = re.compile(r"(?m)^ +")

Json = dict[str, Any]


def rendered(message: Outbound, address: Address, domain: str) -> Json:
    """What the mail says, and how it is found."""
    said = shown(message.saying, CAPABILITIES, suggestions=message.suggestions, schema=message.schema)
    said = replace(said, paras=(*said.paras, *_form(message)))
    files = message.saying.attachments
    references = [*address.references, *([address.about] if address.about else [])]
    return {
        **({"is_begun": True} if address.is_begun else {}),
        "to": address.to,
        "subject": _subject(address),
        "id": message_id(address.thread, message.session, message.id, domain),
        "in_reply_to": address.about,
        "references": references,
        "text": write(said.paras, "plain") + "".join(f"\n\n{_named(each)}" for each in files),
        "html": _html(said, files),
    }


def _form(message: Outbound) -> Iterator[Para]:
    """A line for each field of a form, to be filled in in the answer. A single field is answered without its name."""
    form = form_of(message.schema, message.language)
    fields = form.fields if form is not None and len(form.fields) > 1 else ()
    for i, each in enumerate(fields):
        choices = ", ".join(choice.title for choice in each.choices)
        yield Para((Span(f"{each.label}: …" + (f" ({choices})" if choices else "")),), is_tight=i > 0)


def _subject(address: Address) -> str:
    asked = address.subject
    if address.is_begun:
        return asked or "A message for you"
    if not asked:
        return "Re: your message"
    return asked if _REPLIES.match(asked) else f"Re: {asked}"


def _named(file: Attachment) -> str:
    return f"{file.name}: {file.url}" if file.name else file.url


def _html(said: Shown, files: tuple[Attachment, ...]) -> str:
    pictures = [
        f'<p><img src="{escape(each.url)}" alt="{escape(each.alt)}" style="max-width:100%"></p>'
        for each in said.pictures
        if urlsplit(each.url).scheme == "https"
    ]
    links = [f'<p><a href="{escape(each.url)}">{escape(each.name or each.url)}</a></p>' for each in files]
    return "\n".join([*pictures, f"<div>{_lines(write(said.paras, 'html'))}</div>", *links])


def _lines(html: str) -> str:
    """The text with its lines and the spaces that begin them, which HTML would not show."""
    parts = _PRE.split(html)
    return "".join(part if i % 2 else _broken(part) for i, part in enumerate(parts))


def _broken(html: str) -> str:
    return _LEADING.sub(lambda found: "&nbsp;" * len(found[0]), html).replace("\n", "<br>\n")


def mail_of(said: Json, sender: str, sender_name: str, queued_at_us: int) -> bytes:
    """The mail, byte for byte the same for the same message."""
    mark = sha256(said["id"].encode()).hexdigest()[:32]
    html = f"<html><body>{said['html']}</body></html>"
    parts = (_part(said["text"], "plain"), _part(html, "html"))
    mail = MIMEMultipart("alternative", f"lichen-{mark}", parts, policy=_POLICY)
    mail["From"] = formataddr((sender_name, sender))
    mail["To"] = said["to"]
    mail["Subject"] = Header(said["subject"], "utf-8", header_name="Subject").encode()
    mail["Date"] = format_datetime(datetime.fromtimestamp(queued_at_us // 1_000_000, UTC))
    mail["Message-ID"] = f"<{said['id']}>"
    if said["in_reply_to"]:
        mail["In-Reply-To"] = f"<{said['in_reply_to']}>"
        mail["References"] = "\r\n ".join(f"<{each}>" for each in said["references"])
    mail["Auto-Submitted"] = "auto-generated" if said.get("is_begun") else "auto-replied"
    mail["X-Auto-Response-Suppress"] = "All"
    return mail.as_bytes()


def _part(text: str, kind: str) -> MIMENonMultipart:
    """A text with line ends as lines have: other characters that end one are written as spaces."""
    part = MIMENonMultipart("text", kind, policy=_POLICY)
    part.set_payload(_LINE_ENDS.sub(" ", text), _QUOTED_PRINTABLE)
    return part
