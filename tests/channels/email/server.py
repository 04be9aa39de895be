"""A server that takes mail over SMTP (aiosmtpd) and one of mailboxes over IMAP (pymap), on loopback, in a thread."""

from __future__ import annotations

import asyncio
import ssl
import threading
from argparse import Namespace
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, DictBackend, Login
from pymap.config import BackendCapability
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag
from pysasl.hashing import BuiltinHash

USER, PASSWORD = "support@shop.example", "a password of the mailbox"
HERE = "127.0.0.1"
SEEN, FLAGGED = Flag(rb"\Seen"), Flag(rb"\Flagged")
HASHED: Final = Namespace(passlib_cfg=None, proxy_protocol=None, inherited_sockets=None)


class Certificates(NamedTuple):
    """Where the certificate of an authority lies, and what our servers show."""

    authority: Path
    context: ssl.SSLContext


@cache
def certificates(name: str) -> Certificates:
    """Made once, for servers on loopback; of another `name` they are nobody's here."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail on loopback")])
    alternative: x509.GeneralName = x509.DNSName(name)
    if name[0].isdigit():
        alternative = x509.IPAddress(ip_address(name))
    now = datetime.now(UTC)
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = Path(mkdtemp(prefix="lichen-mail-"))
    authority, own = folder / "ca.pem", folder / "key.pem"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    shape = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    own.write_bytes(key.private_bytes(*shape))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, own)
    return Certificates(authority, context)


class _WithoutIdle(Config):
    @property
    def backend_capability(self) -> BackendCapability:
        return BackendCapability(idle=False, object_id=True, multi_append=True)


class Refusal(NamedTuple):
    """What the next command of this name is answered with; an empty reply cuts the connection off."""

    command: str
    reply: str = ""


class Sent(NamedTuple):
    """A mail as the server got it."""

    sender: str
    to: list[str]
    raw: bytes

    @property
    def mail(self) -> Message[str, str]:
        """It, parsed."""
        return message_from_bytes(self.raw, policy=default)


class Post:
    """Both servers. `sent` is what was taken over SMTP; `refusals` answer the next commands that they name."""

    def __init__(self, *, tls: bool = True, implicit: bool = False, name: str = HERE, can_idle: bool = True) -> None:
        self._can_idle = can_idle
        self.sent: list[Sent] = []
        self.refusals: list[Refusal] = []
        self._tls = certificates(name).context if tls else None
        self._implicit = implicit
        self._loop = asyncio.new_event_loop()
        self.smtp_port = self.imap_port = 0
        self.logins = self.mailbox_logins = 0
        self._spoken_with: list[asyncio.StreamWriter] = []

    def __enter__(self) -> Post:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.within(self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self.within(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def within(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """What is done in the servers' thread."""

        async def acting() -> Any:
            return await act()

        return asyncio.run_coroutine_threadsafe(acting(), self._loop).result(10)

    async def _begin(self) -> None:
        early = self._tls if self._implicit else None
        late = None if self._implicit else self._tls
        self._smtp = await self._loop.create_server(lambda: self._session(late), "127.0.0.1", 0, ssl=early)
        self.smtp_port = self._smtp.sockets[0].getsockname()[1]
        await self.begin_mailbox()

    def _session(self, late: ssl.SSLContext | None) -> SMTP:
        def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            self.logins += 1
            is_known = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
            return AuthResult(success=is_known, handled=False)

        return SMTP(
            _Handler(self),
            hostname="mail.shop.example",
            tls_context=late,
            require_starttls=late is not None,
            auth_require_tls=self._tls is not None and not self._implicit,
            authenticator=known,
            loop=self._loop,
        )

    async def begin_mailbox(self, port: int = 0) -> None:
        """A server of mailboxes with one that is empty."""
        kind = Config if self._can_idle else _WithoutIdle
        config = kind(
            HASHED, host="127.0.0.1", port=0, demo_data=False, demo_user=USER, demo_password=PASSWORD,
            hash_context=BuiltinHash(hash_name="sha256", salt_len=8, rounds=1),
            ssl_context=certificates(HERE).context, tls_enabled=not self._implicit, invalid_user_sleep=0.0,
        )  # fmt: skip
        config.apply_context()
        login = Login(config)
        await DictBackend._add_demo_user(config, login)  # pyright: ignore[reportPrivateUsage]
        speak = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(login, config))

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._spoken_with.append(writer)
            self.mailbox_logins += 1
            await speak(reader, writer)

        self._config, self._login = config, login
        early = self._tls if self._implicit else None
        self._imap = await asyncio.start_server(answer, "127.0.0.1", port, ssl=early)
        self.imap_port = self._imap.sockets[0].getsockname()[1]

    async def end_mailbox(self) -> None:
        """The server of mailboxes is away, and whoever spoke with it too."""
        self._imap.close()
        for each in self._spoken_with:
            each.transport.abort()
        self._spoken_with.clear()

    async def _end(self) -> None:
        self._smtp.close()
        self._imap.close()
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    # -- the mailbox -----------------------------------------------------------------------------------------------

    async def _inbox(self) -> Any:
        async with self._login.demo_user_identity.new_session() as session:
            return await session.mailbox_set.get_mailbox("INBOX")

    def arrive(self, raw: bytes) -> None:
        """A mail comes into the mailbox."""

        async def act() -> None:
            inbox = await self._inbox()
            await inbox.append(AppendMessage(raw, datetime.now(UTC), frozenset()), recent=True)

        self.within(act)

    def flags(self) -> list[set[str]]:
        """The flags of the mails in the mailbox, in order."""

        async def act() -> list[set[str]]:
            inbox = await self._inbox()
            return [
                {name for name, flag in (("seen", SEEN), ("flagged", FLAGGED)) if flag in each.permanent_flags}
                async for each in inbox.messages()
            ]

        return self.within(act)


class _Handler:
    """Hooks of aiosmtpd."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def _refused(self, server: SMTP, command: str) -> str | None:
        refusals = self._post.refusals
        if not refusals or refusals[0].command != command:
            return None
        refusal = refusals.pop(0)
        if not refusal.reply:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "250 OK"
        return refusal.reply

    async def handle_EHLO(  # noqa: N802 - as aiosmtpd calls it
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [refused] if (refused := self._refused(server, "EHLO")) else responses

    async def handle_MAIL(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._refused(server, "MAIL") or "250 OK"

    async def handle_RCPT(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._refused(server, "RCPT") or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if refused := self._refused(server, "DATA"):
            return refused
        content = envelope.content
        assert isinstance(content, bytes)
        self._post.sent.append(Sent(str(envelope.mail_from), list(envelope.rcpt_tos), content))
        return self._refused(server, "SENT") or "250 OK"
