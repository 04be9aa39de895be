"""A file that is offered to somebody in a personal chat, and put into their OneDrive once they accept it.

What the card keeps for us comes back from the customer's device, so it is signed: nobody has us fetch what we did not
offer.

Source: Microsoft, Teams, "Send and receive files using a bot"; OneDrive, "Upload bytes to the upload session".
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from lichen.channels.platform.signing import check_same, hmac_hex
from lichen.channels.teams.ingress import Activity
from lichen.core.speech.saying import Attachment

CARD: Final = "application/vnd.microsoft.teams.card.file.consent"
INFO: Final = "application/vnd.microsoft.teams.card.file.info"
INVOKE: Final = "fileConsent/invoke"


class Offer(msgspec.Struct, frozen=True):
    """A file that was offered: where it lies, what it is called, and our mark."""

    url: str
    name: str
    mark: str = ""


class _Upload(msgspec.Struct, frozen=True, rename="camel"):
    upload_url: str
    content_url: str = ""
    name: str = ""
    unique_id: str = ""
    file_type: str = ""


class Accepted(msgspec.Struct, frozen=True):
    """An offer that somebody accepted, and where the file goes."""

    offer: Offer
    upload_url: str
    info: dict[str, Any]


def offered(file: Attachment) -> dict[str, Any]:
    """The activity that offers a file. It is not signed yet."""
    context = {"url": file.url, "name": file.name or "file"}
    content = {"description": file.name or file.url, "sizeInBytes": 1, "acceptContext": context, "declineContext": {}}
    return {"type": "message", "attachments": [{"contentType": CARD, "name": context["name"], "content": content}]}


def signed(activity: dict[str, Any], secret: str, to: str) -> dict[str, Any]:
    """The activity with the offers in it signed for a conversation."""
    return {**activity, "attachments": [_signed(each, secret, to) for each in activity.get("attachments", ())]}


def _signed(attached: dict[str, Any], secret: str, to: str) -> dict[str, Any]:
    context = attached["content"]["acceptContext"]
    context = {**context, "mark": _mark(secret, to, context["url"], context["name"])}
    return {**attached, "content": {**attached["content"], "acceptContext": context}}


def is_offer(activity: dict[str, Any]) -> bool:
    """Whether an activity that is posted offers a file."""
    return any(each["contentType"] == CARD for each in activity.get("attachments", ()))


def accepted(activity: Activity, secret: str) -> Accepted | None:
    """What somebody accepted; None where they declined. Raises Denied (`signature_invalid`) for what we did not offer
    there, ValidationError for what is no answer to an offer."""
    value: Any = activity.value
    said = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if said.get("action") != "accept":
        return None
    offer = msgspec.convert(said.get("context"), Offer)
    check_same(offer.mark, _mark(secret, activity.conversation.id, offer.url, offer.name))
    upload = msgspec.convert(said.get("uploadInfo"), _Upload)
    content = {"uniqueId": upload.unique_id, "fileType": upload.file_type}
    info = {"contentType": INFO, "contentUrl": upload.content_url, "name": upload.name, "content": content}
    return Accepted(offer, upload.upload_url, info)


def _mark(secret: str, *what: str) -> str:
    return hmac_hex(secret, b"teams file offer", msgspec.json.encode(what))
