"""A mailbox on an IMAP server: the mails in it that nobody has seen.

Everything here blocks; what is not answered in time is an OSError.

Sources: RFC 3501; RFC 2177 (IDLE).
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
from contextlib import suppress
from typing import Any, Final, cast

from lichen.channels.email.reading import MAIL_BYTES_MAX
from lichen.channels.email.smtp import Server

TIMEOUT_S: Final = 20.0
LINES_MAX: Final = 10_000  # that a server says at once while we listen
_SIZE: Final = re.compile(rb"RFC822\.SIZE (\d{1,15})")


class MailboxGone(OSError):
    """The server does not answer, or not as a server does."""


class _Client(imaplib.IMAP4):
    def __init__(self, server: Server) -> None:
        self._server = server
        super().__init__(server.host, server.port, TIMEOUT_S)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._server.connected(timeout or TIMEOUT_S)


class Mailbox:
    """One folder, while it is open."""

    def __init__(self, server: Server, folder: str) -> None:
        """Opens it. Raises OSError, PermissionError where the server does not know us."""
        client: _Client | None = None
        try:
            client = _Client(server)
            if server.security == "starttls":
                client.starttls(server.context())
            _log_in(client, server)
            _said(client.select(_quoted(folder)))
        except (imaplib.IMAP4.error, imaplib.IMAP4.abort) as error:
            if client is not None:
                client.shutdown()
            raise MailboxGone(type(error).__name__) from None
        except OSError:
            if client is not None:
                client.shutdown()
            raise
        self._client = client
        self._listening = b""
        self._count = 0
        self.can_listen = b"IDLE" in _capabilities(client)
        (validity,) = client.response("UIDVALIDITY")[1] or [b""]
        self.validity = (validity or b"").decode("ascii", "replace")

    def unseen(self, most: int) -> list[str]:
        """The UIDs of mails that nobody has seen, the oldest first."""
        self._client.response("EXISTS")  # what was told before counts no more
        (found, *_) = self._uid("SEARCH", "UNSEEN", "UNDELETED") or [b""]
        return (found or b"").decode("ascii", "replace").split()[:most]

    def fetch(self, uid: str) -> bytes | None:
        """A mail, unseen as before; None for one that is gone, or larger than is read."""
        told = b" ".join(each for each in self._uid("FETCH", uid, "(RFC822.SIZE)") if isinstance(each, bytes))
        size = _SIZE.search(told)
        if size is None or int(size[1]) > MAIL_BYTES_MAX:
            return None
        for part in self._uid("FETCH", uid, "(BODY.PEEK[])"):
            if isinstance(part, tuple):
                return cast("tuple[bytes, bytes]", part)[1]
        return None

    def see(self, uid: str, *, is_refused: bool = False) -> None:
        """Marks a mail as seen, and one that could not be taken with a flag for people beside."""
        flags = r"(\Seen \Flagged)" if is_refused else r"(\Seen)"
        self._uid("STORE", uid, "+FLAGS.SILENT", flags)

    # -- IDLE ----------------------------------------------------------------------------------------------------

    def listen(self) -> int | None:
        """Has the server say when something happens: what can be read then is this descriptor. None where it said
        something at once, or does not listen after all. Either way `listened` ends it."""
        if self._client.response("EXISTS")[1] != [None]:  # it was told while we looked, perhaps too late to be found
            return None
        self._count += 1
        tag = b"IDLE%d" % self._count
        self._client.send(tag + b" IDLE\r\n")
        for _ in range(LINES_MAX):
            line = self._line()
            if line.startswith(b"+"):
                self._listening = tag
                return None if self._has_more() else self._client.socket().fileno()
            if line.startswith(tag):
                self.can_listen = False
                return None
        raise MailboxGone("more lines than are read")

    def listened(self) -> None:
        """Has it say no more."""
        tag, self._listening = self._listening, b""
        if not tag:
            return
        self._client.send(b"DONE\r\n")
        for _ in range(LINES_MAX):
            if self._line().startswith(tag):
                return
        raise MailboxGone("more lines than are read")

    def _line(self) -> bytes:
        try:
            line = self._client.readline()
        except (imaplib.IMAP4.error, imaplib.IMAP4.abort) as error:
            raise MailboxGone(type(error).__name__) from None
        if not line or line.upper().startswith(b"* BYE"):
            raise MailboxGone("the server ended it")
        return line

    def _has_more(self) -> bool:
        """Whether something was read from the connection that nobody took yet."""
        connection, file = self._client.socket(), cast("Any", self._client).file
        connection.settimeout(0)
        try:
            return bool(file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            connection.settimeout(TIMEOUT_S)

    def close(self) -> None:
        """Lets go of it."""
        try:
            self._client.logout()
        except (OSError, imaplib.IMAP4.error, imaplib.IMAP4.abort):
            with suppress(OSError):
                self._client.shutdown()

    def _uid(self, command: str, *words: str) -> list[Any]:
        try:
            return _said(self._client.uid(command, *words))
        except (imaplib.IMAP4.error, imaplib.IMAP4.abort) as error:
            raise MailboxGone(type(error).__name__) from None


def _log_in(client: imaplib.IMAP4, server: Server) -> None:
    try:
        client.login(server.user, server.password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        raise PermissionError("the server does not know us") from None


def _capabilities(client: imaplib.IMAP4) -> list[bytes]:
    """What it can, said anew: most say more to whom they know."""
    (said, *_) = _said(client.capability())
    return (said or b"").upper().split()


def _said(answer: Any) -> list[Any]:
    """What an answer says. Raises MailboxGone for a refusal."""
    status, data = answer
    if status != "OK":
        raise MailboxGone(status)
    return cast("list[Any]", data)


def _quoted(folder: str) -> str:
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
