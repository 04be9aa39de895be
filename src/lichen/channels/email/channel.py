"""E-mail of one tenant: one address, a server that sends for it, and how what is sent to it comes here."""

from __future__ import annotations

import asyncio
import hashlib
import re
from base64 import b64encode
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from lichen.channels.email.bounces import reports_in
from lichen.channels.email.imap import Mailbox
from lichen.channels.email.reading import Mail, read
from lichen.channels.email.rendering import mail_of, rendered
from lichen.channels.email.senders import ADDRESS, ADDRESS_MAX, is_automatic, is_proven, named, sender_of
from lichen.channels.email.smtp import Security, Server, greet, submit
from lichen.channels.email.source import Collecting
from lichen.channels.email.threads import REFERENCES_MAX, Address, begun, conversation_of, ids_in, is_own, thread_of
from lichen.channels.graph.granting import Account
from lichen.channels.graph.mailing import Graph
from lichen.channels.platform.calling import LOCAL, NotSent, away
from lichen.channels.platform.reaching import check_customer
from lichen.channels.port import (
    Arrival,
    ChannelSettings,
    Gateway,
    Guide,
    Inbound,
    Question,
    Reached,
    Report,
    Setup,
    Wanted,
)
from lichen.channels.port import Host as ChannelHost
from lichen.channels.webhook.schemes import Scheme, check
from lichen.core.deciders.events import Doubt
from lichen.core.words.errors import Denied, Invalid, LichenError, Unavailable
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.engine.ports import Delivery, Outbound, Traits
from lichen.tools.egress.addresses import Host, addresses_of, reached

HostName = Annotated[str, msgspec.Meta(max_length=253, pattern=r"^[A-Za-z0-9.:-]*\Z")]
GraphName = Annotated[str, msgspec.Meta(max_length=253, pattern=r"^[A-Za-z0-9.-]*\Z")]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
_SMTP_PORTS: Final[dict[Security, int]] = {"tls": 465, "starttls": 587, "none": 25}
_IMAP_PORTS: Final[dict[Security, int]] = {"tls": 993, "starttls": 143, "none": 143}


class EmailSettings(ChannelSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `[tenants.NAME.email]` may say.

    `address` is whom customers write to, `name` what stands beside it. Mails leave by `smtp_host`, over TLS from the
    start (`tls`), or from the command STARTTLS on (`starttls`); `none` is for development. They come from the folder
    `imap_folder` of `imap_host`, looked into every `poll_s`, and, raw, by webhook, proven as `scheme` says with one of
    `secrets`. With `graph_client_id` they leave by Microsoft Graph instead, for the application of `graph_tenant` that
    `graph_client_secret` proves, or with `graph_refresh_token` for the person who signed in once. `user` and `password`
    are of both servers, where `imap_user` and `imap_password` are not given. A mail is from whom it says if the host
    `trusted_host` found `dmarc=pass`; of others the sender is claimed, and with `senders = "proven"` they are refused.
    `ca_file` has the certificates of authorities of your own.
    """

    address: Annotated[str, msgspec.Meta(pattern=rf"^{ADDRESS}\Z", max_length=254)]
    smtp_host: HostName = ""
    smtp_port: Port = 0
    smtp_security: Security = "starttls"
    imap_host: HostName = ""
    imap_port: Port = 0
    imap_security: Security = "tls"
    imap_folder: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+\Z")] = "INBOX"
    poll_s: Annotated[float, msgspec.Meta(ge=0.05, le=3_600)] = 20.0
    user: Annotated[str, msgspec.Meta(max_length=254, pattern=r"^[\x20-\x7e]*\Z")] = ""
    password: str = "secret:email-password"
    imap_user: Annotated[str, msgspec.Meta(max_length=254, pattern=r"^[\x20-\x7e]*\Z")] = ""
    imap_password: str = ""
    from_name: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\Z")] = ""
    trusted_host: HostName = ""
    senders: Annotated[str, msgspec.Meta(pattern=r"^(any|proven)\Z")] = "any"
    scheme: Scheme = "standard"
    secrets: tuple[str, ...] = ("secret:email-webhook-secret",)
    header: str = ""
    ca_file: str = ""
    graph_tenant: GraphName = ""
    graph_client_id: GraphName = ""
    graph_client_secret: str = "secret:ms-graph-client-secret"
    graph_refresh_token: str = ""
    graph_api_base_url: str = "https://graph.microsoft.com"
    graph_login_base_url: str = "https://login.microsoftonline.com"
    in_doubt: Doubt = "repeat"

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError("a webhook is proven with at least one secret")
        if bool(self.smtp_host) == bool(self.graph_client_id):
            raise ValueError("mails leave either by `smtp_host` or, with `graph_client_id`, by Microsoft Graph")
        if bool(self.graph_tenant) != bool(self.graph_client_id):
            raise ValueError("`graph_tenant` and `graph_client_id` are named together")
        if self.senders == "proven" and not self.trusted_host:
            raise ValueError("`senders` are proven by a `trusted_host`: name it")
        if self.imap_host and not (self.imap_user or self.user):
            raise ValueError("a mailbox belongs to a `user`: name them")


class EmailChannel:
    """One address."""

    settings = EmailSettings
    guide = Guide(
        "E-mail",
        (
            Question("address", "Address that customers write to", "Of a mailbox of its own.", pattern=f"^{ADDRESS}$"),
            Question("smtp_host", "Server that sends", "Such as smtp.example.com; none where Microsoft Graph does.",
                     required=False),
            Question("smtp_security", "How it is spoken to", "starttls (port 587) or tls (port 465)",
                     default="starttls", pattern="^(starttls|tls)$"),
            Question("imap_host", "Server of the mailbox", "Such as imap.example.com; none where mails are posted.",
                     required=False),
            Question("user", "User", "Of both servers, often the address.", required=False),
            Question("password", "Password", "Often one for this application, which the provider makes.", secret=True,
                     required=False),
            Question("graph_tenant", "Directory (tenant) ID", "Microsoft Entra, App registrations, where Graph sends.",
                     required=False),
            Question("graph_client_id", "Application (client) ID", "Microsoft Entra, App registrations.",
                     required=False),
            Question("graph_client_secret", "Client secret", "Certificates & secrets of that application.",
                     required=False, secret=True),
            Question("graph_refresh_token", "Refresh token", "Of a person who signed in, for their mailbox alone.",
                     required=False, secret=True),
            Question("trusted_host", "Host whose Authentication-Results count",
                     "The first word of that header in a mail that you got there.", required=False),
        ),
        (
            "Let the provider's spam filter stand: what it rejects does not come here.",
            "Without IMAP: have raw mails posted to {webhook}, signed as a Standard Webhook.",
            "SPF, DKIM and DMARC of the domain: so that what is sent arrives.",
        ),
    )  # fmt: skip

    def __init__(self, setup: Setup[EmailSettings]) -> None:
        self.name = setup.name or "email"
        self._graph = _graph(setup.host, setup.settings)
        repeats = "doubles" if self._graph is None else "asks"
        self.traits = Traits(repeats, setup.settings.in_doubt, forms="lines")
        self._settings, self._host = setup.settings, setup.host
        self._own = (setup.settings.address.lower(),)
        self._domain = setup.settings.address.partition("@")[2].lower()
        self._collecting: Collecting | None = None

    # -- in ------------------------------------------------------------------------------------------------------

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular, once one of the secrets proves the delivery. Raises Denied, Unavailable."""
        secrets = [await self._host.secret(each, self.name) for each in self._settings.secrets]
        check(self._settings.scheme, arrival, secrets, header=self._settings.header)
        return None

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """The mail that is the body. Raises Invalid (`mail_invalid`, `mail_too_large`, `sender_invalid`)."""
        return self._read(arrival.body)

    def reports(self, scope: Scope, arrival: Arrival) -> tuple[Report, ...]:
        """What a report of delivery that is the body says became of a mail of ours."""
        return self._reports(arrival.body)

    def _reports(self, raw: bytes) -> tuple[Report, ...]:
        return reports_in(raw, self._domain)

    def _read(self, raw: bytes) -> tuple[Inbound, ...]:
        """The message in a mail; none where no person waits for an answer. Raises Invalid, Denied."""
        mail = read(raw)
        own_id = next(iter(ids_in(mail.first("message-id"))), "")
        sender = sender_of(mail.headers)
        if is_automatic(mail.headers, sender, self._own) or is_own(own_id, self._domain):
            return ()
        proven = is_proven(mail.headers, sender, self._settings.trusted_host)
        if not proven and self._settings.senders == "proven":
            step = 'Set DMARC up for the sender\'s domain, or let the channel take `senders = "any"`.'
            raise Denied("Nobody proves who this mail is from.", code="sender_unproven", next_step=step)
        return (self._inbound(mail, raw, own_id, sender, proven=proven),)

    def _inbound(self, mail: Mail, raw: bytes, own_id: str, sender: str, *, proven: bool) -> Inbound:
        references = (*ids_in(mail.first("references")), *ids_in(mail.first("in-reply-to")))
        references = tuple(dict.fromkeys(references))
        id = hashlib.sha256(own_id.encode() if own_id else raw).hexdigest()
        thread = thread_of(references, own_id or id)
        address = Address(sender, thread, mail.subject, own_id, _shortened(references))
        who = named(sender, self.name, proven=proven)
        envelope: dict[str, Any] = {
            "metadata": {"email.subject": mail.subject, "email.sender": "proven" if proven else "claimed"}
        }
        if mail.files:
            envelope["attachments"] = [
                {"contentType": each.media_type, "contentUrl": _data_url(each.media_type, each.data), "name": each.name}
                for each in mail.files
            ]
        return Inbound(
            conversation_of(thread, who),
            Customer(who),
            _words(mail, is_first=not references),
            id,
            envelope=envelope,
            address=msgspec.json.encode(address),
        )

    async def start(self, gateway: Gateway) -> None:
        """Looks into the mailbox from now on, where there is one."""
        if self._settings.imap_host:
            pause_s = self._settings.poll_s
            self._collecting = Collecting(self._mailbox, self._read, self._reports, pause_s=pause_s)
            self._collecting.start(gateway)

    def drain(self) -> None:
        """Takes no further mail."""
        if self._collecting is not None:
            self._collecting.drain()

    async def stop(self) -> None:
        """Returns once no mail is being taken."""
        if self._collecting is not None:
            await self._collecting.stop()

    async def _mailbox(self) -> Mailbox:
        """The mailbox, open. Raises OSError, LichenError."""
        server = await self._imap()
        return await asyncio.to_thread(Mailbox, server, self._settings.imap_folder)

    # -- out -----------------------------------------------------------------------------------------------------

    def render(self, message: Outbound) -> dict[str, Any]:
        """What the mail says, and how it is found."""
        return rendered(message, msgspec.json.decode(message.address, type=Address), self._domain)

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Hands the mail to the server that sends it."""
        said = self.render(message)
        mail = mail_of(said, self._settings.address, self._settings.from_name, message.queued_at_us)
        if self._graph is not None:
            return await self._graph.submit(mail)
        try:
            server = await self._smtp()
        except Unavailable as error:
            return Delivery("retry", error.code)
        except LichenError as error:
            return Delivery("failed", error.code)
        return await asyncio.to_thread(submit, server, self._settings.address, said["to"], mail)

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """A new thread with an address. Raises Invalid (`customer_invalid`)."""
        address = wanted.customer.removeprefix("claimed:")
        check_customer(address, ADDRESS, f"{self.name}:ann@example.com")
        if address != address.lower() or len(address) > ADDRESS_MAX:
            raise Invalid("An address is written small.", code="customer_invalid", place="customer")
        if address == wanted.customer and not self._settings.trusted_host:
            step = f"Name them {self.name}:claimed:{address}, as who answers is called, or give a `trusted_host`."
            raise Invalid("No sender is proven here.", code="customer_invalid", next_step=step, place="customer")
        who = f"{self.name}:{wanted.customer}"
        thread = begun(wanted.token, who)
        to = Address(address, thread, wanted.subject, is_begun=True)
        return Reached(conversation_of(thread, who), msgspec.json.encode(to))

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether the mail was sent, where Microsoft Graph says so; a server of SMTP cannot be asked."""
        return None if self._graph is None else await self._graph.has(self.render(message)["id"])

    async def check(self) -> str:
        """Speaks with both servers. Raises Denied (`credentials_refused`), Unavailable (`platform_unreachable`)."""
        await self._check_out()
        by = self._settings.smtp_host or "Microsoft Graph"
        if not self._settings.imap_host:
            return f"{self._settings.address}, by {by}"
        try:
            mailbox = await self._mailbox()
        except PermissionError:
            raise _unknown("The server of the mailbox does not accept user and password.") from None
        except OSError:
            raise away("The server of the mailbox") from None
        await asyncio.to_thread(mailbox.close)
        return f"{self._settings.address}, by {by}, from {self._settings.imap_host}"

    async def _check_out(self) -> None:
        """Speaks with what sends."""
        if self._graph is not None:
            await _check_graph(self._graph)
            return
        said = await asyncio.to_thread(greet, await self._smtp())
        if said.code == "credentials_refused":
            raise _unknown("The server that sends does not accept user and password.")
        if said.outcome != "delivered":
            step = "Look at `smtp_host`, `smtp_port` and `smtp_security`."
            raise Unavailable(f"The server that sends says: {said.code}.", code=said.code, next_step=step)

    # -- servers -------------------------------------------------------------------------------------------------

    async def _smtp(self) -> Server:
        says = self._settings
        port = says.smtp_port or _SMTP_PORTS[says.smtp_security]
        return await self._server(says.smtp_host, port, says.smtp_security, says.user, says.password)

    async def _imap(self) -> Server:
        says = self._settings
        port = says.imap_port or _IMAP_PORTS[says.imap_security]
        password = says.imap_password or says.password
        return await self._server(says.imap_host, port, says.imap_security, says.imap_user or says.user, password)

    async def _server(self, host: str, port: int, security: Security, user: str, password: str) -> Server:
        """A server at an address that may be reached, with what it knows us by. Raises Invalid, Denied, Unavailable."""
        is_local = self._host.is_development and host in LOCAL
        if security == "none" and not is_local:
            step = "Say `tls` or `starttls`."
            raise Invalid("Mails and passwords go over TLS.", code="tls_required", next_step=step)
        at = host if is_local else await reached((Host(host, (port,), is_below=False),), host, port, addresses_of)
        known = await self._host.secret(password, host) if user else ""
        return Server(host, port, at, security, user, known, self._authorities(), self._domain)

    def _authorities(self) -> str:
        return str((self._host.root or Path()) / self._settings.ca_file) if self._settings.ca_file else ""


def _graph(host: ChannelHost, says: EmailSettings) -> Graph | None:
    """Microsoft Graph, where mails leave by it."""
    if not says.graph_client_id:
        return None
    secret, refresh = says.graph_client_secret, says.graph_refresh_token
    where = (says.graph_login_base_url, says.graph_api_base_url)
    return Graph(host, Account(says.graph_tenant, says.graph_client_id, secret, refresh, *where), says.address)


async def _check_graph(graph: Graph) -> None:
    try:
        await graph.check()
    except NotSent as refused:
        if refused.delivery.code == "credentials_refused":
            raise _unknown("Microsoft does not accept the application's secret, or the refresh token.") from None
        raise away("Microsoft") from None


def _words(mail: Mail, *, is_first: bool) -> str:
    """What was written: of the mail that begins a thread the subject too, and what of it could not be taken."""
    subject = mail.subject if is_first or not mail.text.strip() else ""
    same = subject and re.sub(r"\W+", "", subject) == re.sub(r"\W+", "", mail.text)
    left_out = "\n".join(f"[file {name}, left out: too large, or too many]" for name in mail.left_out)
    return "\n\n".join(filter(None, ("" if same else subject, mail.text, left_out)))


def _shortened(references: tuple[str, ...]) -> tuple[str, ...]:
    """The mails before it: the first, and the newest."""
    if len(references) <= REFERENCES_MAX:
        return references
    return (references[0], *references[1 - REFERENCES_MAX :])


def _data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def _unknown(message: str) -> Denied:
    step = "Give it user and password again: `lichen channel update`. Many providers want a password of its own."
    return Denied(message, code="credentials_refused", next_step=step)
