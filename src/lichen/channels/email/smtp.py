"""How a mail is handed to the server that sends it: over TLS, and so that it is known what became of it.

Until the line that ends a mail is sent the server has not taken it; after that, and before its answer, nobody knows.

Sources: RFC 5321, RFC 3207, RFC 4954, RFC 8314.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from typing import Final, Literal

import msgspec

from lichen.engine.ports import Delivery

Security = Literal["tls", "starttls", "none"]
TIMEOUT_S: Final = 15.0
PAUSE_S: Final = 300.0  # servers that know nobody yet ask to come again in minutes
CLOSING_PAUSE_S: Final = 60.0
CREDENTIALS_S: Final = 60.0
_DOTS: Final = re.compile(rb"(?m)^\.")
_CREDENTIALS: Final = frozenset({530, 534, 535, 538})
CODES: Final = {550: "recipient_refused", 551: "recipient_refused", 552: "mail_too_large", 553: "recipient_refused",
                554: "mail_refused"}  # fmt: skip


class Server(msgspec.Struct, frozen=True):
    """A server and how it is spoken to: `at` is the address that was looked at, `host` whom its certificate names."""

    host: str
    port: int
    at: str
    security: Security
    user: str = ""
    password: str = ""
    ca: str = ""
    called: str = "localhost"

    def context(self) -> ssl.SSLContext:
        """How its certificate is checked. Raises OSError for a file of authorities that is not there."""
        return ssl.create_default_context(cafile=self.ca or None)

    def connected(self, timeout_s: float) -> socket.socket:
        """A connection, over TLS from the start where that is said. Raises OSError."""
        plain = socket.create_connection((self.at, self.port), timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what follows a handshake waits for no other end
        if self.security != "tls":
            return plain
        try:
            return self.context().wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


class _NotSent(Exception):
    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery.code)
        self.delivery = delivery


class _Client(smtplib.SMTP):
    def __init__(self, server: Server) -> None:
        self._server = server
        super().__init__(server.host, server.port, server.called, TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._server.connected(timeout)


def submit(server: Server, sender: str, to: str, mail: bytes) -> Delivery:
    """What became of a mail. Blocks."""
    try:
        client = _opened(server)
    except _NotSent as refused:
        return refused.delivery
    try:
        return _handed_over(client, sender, to, mail)
    finally:
        with suppress(OSError, smtplib.SMTPException):
            client.quit()
        client.close()


def greet(server: Server) -> Delivery:
    """Whether the server takes mail from us: delivered where it does. Blocks."""
    try:
        client = _opened(server)
    except _NotSent as refused:
        return refused.delivery
    with suppress(OSError, smtplib.SMTPException):
        client.quit()
    client.close()
    return Delivery("delivered")


def _opened(server: Server) -> smtplib.SMTP:
    """A server that knows us. Raises _NotSent."""
    client: smtplib.SMTP | None = None
    try:
        client = _Client(server)
        client.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            if not client.has_extn("starttls"):
                raise _NotSent(Delivery("retry", "tls_missing", PAUSE_S))
            client.starttls(context=server.context())
        if server.user:
            client.login(server.user, server.password)
    except ssl.SSLCertVerificationError:
        refused = Delivery("retry", "certificate_invalid", PAUSE_S)
    except smtplib.SMTPAuthenticationError as error:
        is_known = 500 <= error.smtp_code < 600
        refused = Delivery("retry", "credentials_refused", CREDENTIALS_S) if is_known else _by_code(error.smtp_code)
    except smtplib.SMTPNotSupportedError:
        refused = Delivery("retry", "login_unsupported", PAUSE_S)
    except smtplib.SMTPResponseException as error:
        refused = _before(error.smtp_code)
    except (OSError, smtplib.SMTPException):
        refused = Delivery("retry", "platform_unreachable")
    except _NotSent as error:
        refused = error.delivery
    else:
        return client
    if client is not None:
        client.close()
    raise _NotSent(refused)


def _handed_over(client: smtplib.SMTP, sender: str, to: str, mail: bytes) -> Delivery:
    try:
        for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
            code, _ = client.docmd(command)
            if code not in (250, 251, 354):
                return _by_code(code)
        client.send(_DOTS.sub(b"..", mail))
    except (OSError, smtplib.SMTPException):
        return Delivery("retry", "cut_off_before")
    try:
        client.send(b".\r\n" if mail.endswith(b"\r\n") else b"\r\n.\r\n")
        code, _ = client.getreply()
    except (OSError, smtplib.SMTPException):
        return Delivery("unknown", "cut_off")
    return _by_code(code) if 200 <= code < 600 else Delivery("unknown", "cut_off")


def _before(code: int) -> Delivery:
    """What a server that will not speak with us means: it may later."""
    found = _by_code(code)
    return found if found.outcome == "retry" else Delivery("retry", f"smtp_{code}", PAUSE_S)


def _by_code(code: int) -> Delivery:
    if 200 <= code < 300:
        return Delivery("delivered")
    if code in _CREDENTIALS:
        return Delivery("retry", "credentials_refused", CREDENTIALS_S)
    if 500 <= code < 600:
        return Delivery("failed", CODES.get(code, f"smtp_{code}"))
    return Delivery("retry", f"smtp_{code}", CLOSING_PAUSE_S if code == 421 else PAUSE_S)
