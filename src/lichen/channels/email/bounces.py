"""Reports of delivery: what the servers on the way say became of a mail of ours, days later as it may be.

Which mail it was says its Message-ID, in what the report brings back of it. A report proves nothing else, so it settles
that one delivery, and no word of it reaches an agent.

Source: RFC 3464 (delivery status notifications), RFC 6522 (multipart/report), RFC 3463 (status codes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, message_from_string
from email.errors import MessageError
from typing import Any, Final, Literal, cast

from lichen.channels.email.reading import Part, check, leaves
from lichen.channels.email.threads import ids_in, message_of
from lichen.channels.port import Report
from lichen.core.words.errors import Invalid

RECIPIENTS_MAX: Final = 100
RETURNED: Final = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers")
STATUS: Final = ("message/delivery-status", "message/global-delivery-status")
_CODE: Final = re.compile(r"\s*([245])\.([0-9]{1,3})\.([0-9]{1,3})\b")
_CODES: Final = {"5.1": "recipient_refused", "5.2.2": "mailbox_full", "5.3.4": "mail_too_large", "5.7": "mail_refused"}
_ACTIONS: Final[dict[str, Literal["delivered", "failed"]]] = {
    "failed": "failed", "delivered": "delivered", "relayed": "delivered", "expanded": "delivered",
}  # fmt: skip


def reports_in(raw: bytes, domain: str) -> tuple[Report, ...]:
    """What a mail reports of one of ours; nothing where it is no report, or one of another's mail, or of a delay."""
    try:
        check(raw)
        message = message_from_bytes(raw)
        if message.get_content_type() != "multipart/report":
            return ()
        parts = list(leaves(message))
        told = [each for part in parts if part.get_content_type() in STATUS for each in _recipients(part)]
        ours = next(filter(None, (message_of(id, domain) for part in parts for id in _returned(part))), None)
    except (Invalid, MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return ()
    if ours is None:
        return ()
    known = {_ACTIONS[action]: code for action, code in told[:RECIPIENTS_MAX] if action in _ACTIONS}
    if "failed" in known:
        return (Report(*ours, "failed", known["failed"]),)
    return (Report(*ours, "delivered"),) if known else ()


def _recipients(part: Part) -> Iterator[tuple[str, str]]:
    """What is said of each recipient: what was done, and why."""
    blocks: Any = part.get_payload()
    for block in cast("list[Part]", blocks) if isinstance(blocks, list) else []:
        action = str(block.get("action", "")).strip().lower()
        if action:
            yield action, _code(str(block.get("status", "")))


def _code(status: str) -> str:
    found = _CODE.match(status)
    if found is None:
        return "bounced"
    kind, subject, detail = found.groups()
    whole = f"{kind}.{subject}.{detail}"
    return _CODES.get(whole) or _CODES.get(f"{kind}.{subject}") or f"smtp_{kind}_{subject}_{detail}"


def _returned(part: Part) -> tuple[str, ...]:
    """The Message-ID of the mail that a part brings back, whole or as its headers."""
    if part.get_content_type() not in RETURNED:
        return ()
    inner: Any = part.get_payload()
    if isinstance(inner, list):
        (mail, *_) = cast("list[Part]", inner)
        return ids_in(str(mail.get("message-id", "")))
    data: Any = part.get_payload(decode=True)
    headers = data.decode("utf-8", "replace") if isinstance(data, bytes) else ""
    return ids_in(str(message_from_string(headers).get("message-id", "")))
