"""Mails handed to Microsoft Graph as they are, MIME, and looked for among those that were sent.

Graph knows no idempotency key: whether it has a mail it says by the Message-ID, once it stands among the sent ones.
That it does not stand there yet says nothing.

Sources: Microsoft Graph, "user: sendMail", "Send messages with MIME content", "List messages".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote

from lichen.channels.graph.granting import Account, grant_of
from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, delivery_of, fields_of
from lichen.channels.platform.granting import CREDENTIALS_S
from lichen.channels.port import Host
from lichen.engine.ports import Delivery

MAIL_BYTES_MAX: Final = 3 * 1024 * 1024  # Graph takes four million characters of base64
CODES: Final[Mapping[str, str]] = {
    "ErrorInvalidRecipients": "recipient_refused",
    "ErrorMessageSizeExceeded": "mail_too_large",
    "ErrorMessageSubmissionBlocked": "mail_refused",
    "ErrorSendAsDenied": "sender_refused",
    "ErrorAccessDenied": "credentials_refused",
    "MailboxNotEnabledForRESTAPI": "mailbox_unknown",
}


class Graph:
    """Graph, asked for one mailbox: that of `user`, or of the person who signed in."""

    def __init__(self, host: Host, account: Account, user: str) -> None:
        self._host, self._grant = host, grant_of(host, account)
        self._account = account
        self._of = "v1.0/me" if account.refresh else f"v1.0/users/{quote(user, safe='@')}"
        self._made: Api | None = None

    async def submit(self, mail: bytes) -> Delivery:
        """What became of a mail. Raises Unavailable where a secret is not there."""
        if len(mail) > MAIL_BYTES_MAX:
            return Delivery("failed", "mail_too_large")
        try:
            answer = await self._asked("POST", "sendMail", content=b64encode(mail))
        except NotSent as refused:
            return refused.delivery
        except CutOff:
            return Delivery("unknown", "cut_off")
        if answer.status in (401, 403) and _code(answer) in ("status_401", "credentials_refused"):
            self._grant.forget()
            return Delivery("retry", "credentials_refused", CREDENTIALS_S)
        return delivery_of(answer, self._host.now_us(), codes=_code)

    async def has(self, id: str) -> bool | None:
        """Whether a mail of this Message-ID was sent; None where that is not seen, or may not be."""
        which = quote(f"internetMessageId eq '<{id}>'", safe="")
        path = f"mailFolders/sentitems/messages?$filter={which}&$select=id&$top=1"
        try:
            answer = await self._asked("GET", path)
        except (NotSent, CutOff):
            return None
        found: Any = fields_of(answer).get("value")
        return True if answer.is_ok and isinstance(found, list) and cast("list[Any]", found) else None

    async def check(self) -> None:
        """Raises NotSent with what is wrong where no token is to be had."""
        self._grant.forget()
        await self._grant.token()

    async def _asked(self, method: str, path: str, *, content: bytes = b"") -> Answer:
        self._made = self._made or Api(self._host, self._account.base)
        headers = {"Authorization": f"Bearer {await self._grant.token()}"}
        whole = f"{self._of}/{path}"
        return await self._made.ask(method, whole, content=content, media_type="text/plain", headers=headers)


def _code(answer: Answer) -> str:
    """What Graph says that a refusal is for."""
    if answer.is_ok:
        return ""
    error: Any = fields_of(answer).get("error")
    said: Any = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else ""
    if answer.status == 413:
        return "mail_too_large"
    return CODES.get(said, f"status_{answer.status}") if isinstance(said, str) else f"status_{answer.status}"
