"""Messages as they lie on the bus: the channel message envelope, whatever it has no field for among its extensions.

Source: greentic-types, ChannelMessageEnvelope and TenantCtx; greentic-messaging, record of a dead letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.channels.bus.subjects import TEAM, Way
from lichen.channels.port import Inbound, Report
from lichen.core.reading.misfits import read_as
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.scope import Customer
from lichen.engine.ports import Outbound

OWN: Final = "lichen"  # our extensions
REPORT: Final = "lichen.report"
LETTER: Final = "lichen.letter"
_FILE: Final = {"contentType", "contentUrl", "name"}


class Tenant(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose a message is."""

    env: str
    tenant: str
    tenant_id: str
    attempt: int = msgspec.field(default=-1)  # always written
    team: str | None = None
    team_id: str | None = None
    user: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    correlation_id: str | None = None
    i18n_id: str | None = None


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who sent a message, or gets it."""

    id: str
    kind: str | None = None


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file in a message."""

    mime_type: str
    url: str | None = None
    name: str | None = None
    size_bytes: int | None = None


class Envelope(msgspec.Struct, frozen=True):
    """A message of either direction."""

    id: str
    tenant: Tenant
    channel: str
    session_id: str
    sender: Party | None = msgspec.field(default=None, name="from")
    to: tuple[Party, ...] = ()
    correlation_id: str | None = None
    text: str | None = None
    attachments: tuple[File, ...] = ()
    metadata: dict[str, str] = {}
    extensions: dict[str, Any] = {}


class _In(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the envelope has no field for, of a message that comes in."""

    data: bytes = b""
    envelope: dict[str, Any] | None = None
    address: bytes = b""
    path: str = ""
    pressed: str = ""


class Unread(msgspec.Struct, frozen=True):
    """What a platform brought, proven, and could not be taken: why, and what is kept of it."""

    code: str
    reason: str
    kept: bytes


class Job(msgspec.Struct, frozen=True):
    """One attempt to hand a message to its platform: the message, what it is called in the book of deliveries, and
    which attempt this is."""

    message: Outbound
    key: str
    attempt: int


class Fault(msgspec.Struct, frozen=True):
    """Why something is a dead letter."""

    code: str
    message: str
    stage: str


class DeadLetter(msgspec.Struct, frozen=True):
    """What could not be taken, as it came, and why."""

    tenant: str
    stage: str
    platform: str
    msg_id: str
    retries: int
    ts: str
    error: Fault
    envelope: Any = None


def written(way: Way, message: Inbound) -> bytes:
    """A message of a customer, with an id and without files that lie at the platform."""
    assert message.id is not None, "the gateway gives ids"
    assert not message.files, "the gateway fetches files"
    said, files = _apart(message.envelope)
    own = _In(message.data, said, message.address, message.path, message.pressed)
    tenant = Tenant(
        way.env, way.tenant, way.tenant, 0, way.team, way.team, message.sender.id, message.sender.id,
        message.conversation, message.id, message.locale,
    )  # fmt: skip
    envelope = Envelope(
        message.id, tenant, way.channel, message.conversation, Party(message.sender.id, "user"), (), message.id,
        message.text, files, _words(said), {OWN: msgspec.to_builtins(own)},
    )  # fmt: skip
    return msgspec.json.encode(envelope)


def inbound(way: Way, data: bytes) -> Inbound:
    """The message in an envelope. Raises Invalid (`envelope_invalid`), also where it is another channel's."""
    found = _read(way, data)
    own = read_as(lambda: msgspec.convert(found.extensions.get(OWN, {}), _In), "envelope_invalid", place="$.extensions")
    if found.sender is None:
        raise Invalid("This message has no sender.", code="envelope_invalid", place="$.from")
    said = own.envelope
    if found.attachments:
        said = {**(said or {}), "attachments": [_attached(each) for each in found.attachments]}
    return Inbound(
        found.session_id, Customer(found.sender.id), found.text or "", found.id, own.data, said, found.tenant.i18n_id,
        own.address, path=own.path, pressed=own.pressed,
    )  # fmt: skip


def noted(way: Way, report: Report, id: str) -> bytes:
    """What a platform says later of a message that it was handed."""
    return _beside(way, report.session, id, REPORT, report)


def unread(way: Way, letter: Unread, id: str) -> bytes:
    """What cannot be taken as it is, on its way to the runner's log."""
    return _beside(way, "", id, LETTER, letter)


def _beside(way: Way, session: str, id: str, name: str, what: Report | Unread) -> bytes:
    tenant = Tenant(way.env, way.tenant, way.tenant, 0, way.team, way.team, session_id=session or None)
    found = Envelope(id, tenant, way.channel, session, correlation_id=id, extensions={name: msgspec.to_builtins(what)})
    return msgspec.json.encode(found)


def brought(way: Way, data: bytes) -> Inbound | Report | Unread:
    """What a gateway put there. Raises Invalid (`envelope_invalid`), also where it is another channel's."""
    extensions = _read(way, data).extensions
    if REPORT in extensions:
        return read_as(lambda: msgspec.convert(extensions[REPORT], Report), "envelope_invalid", place="$.extensions")
    if LETTER in extensions:
        return read_as(lambda: msgspec.convert(extensions[LETTER], Unread), "envelope_invalid", place="$.extensions")
    return inbound(way, data)


def posted(way: Way, job: Job) -> bytes:
    """An attempt to send, as an envelope."""
    message = job.message
    tenant = Tenant(way.env, way.tenant, way.tenant, job.attempt, way.team, way.team, session_id=message.session)
    card = message.saying.card
    extensions: dict[str, Any] = {OWN: msgspec.to_builtins(job)}
    if card is not None:
        extensions["adaptive_card"] = card
    metadata = dict(message.metadata)
    if card is not None:
        metadata["adaptive_card"] = msgspec.json.encode(card).decode()
    envelope = Envelope(
        message.id, tenant, way.channel, message.session, None, (), message.reply_to or message.session,
        message.saying.text, (), metadata, extensions,
    )  # fmt: skip
    return msgspec.json.encode(envelope)


def job(way: Way, data: bytes) -> Job:
    """The attempt in an envelope. Raises Invalid (`envelope_invalid`), also where it is another channel's."""
    found = _read(way, data)
    return read_as(lambda: msgspec.convert(found.extensions.get(OWN), Job), "envelope_invalid", place="$.extensions")


def buried(way: Way, stage: str, data: bytes, error: LichenError, *, tries: int, at: str) -> DeadLetter:
    """The dead letter of what lay on the bus."""
    try:
        envelope: Any = msgspec.json.decode(data)
    except msgspec.DecodeError:
        envelope = data.decode(errors="replace")
    known = _object(envelope)
    fault = Fault(error.code, error.message, stage)
    return DeadLetter(way.tenant, stage, way.channel, str(known.get("id", "")), tries, at, fault, envelope)


def raised(data: bytes) -> tuple[Way, bytes]:
    """Whose a dead letter is, and its envelope. Raises Invalid (`envelope_invalid`)."""
    letter = read_as(lambda: msgspec.json.decode(data, type=DeadLetter), "envelope_invalid", place="$")
    read = read_as(lambda: msgspec.convert(letter.envelope, Envelope), "envelope_invalid", place="$.envelope")
    if read.tenant.tenant != letter.tenant:
        raise Invalid("The letter is another tenant's.", code="envelope_invalid", place="$.envelope.tenant")
    way = Way(read.tenant.env, letter.tenant, read.tenant.team or TEAM, read.channel)
    return way, msgspec.json.encode(letter.envelope)


def _read(way: Way, data: bytes) -> Envelope:
    found = read_as(lambda: msgspec.json.decode(data, type=Envelope), "envelope_invalid", place="$")
    if (found.tenant.env, found.tenant.tenant, found.channel) != (way.env, way.tenant, way.channel):
        raise Invalid("The envelope names another channel than its subject.", code="envelope_invalid", place="$.tenant")
    return found


def _apart(envelope: Mapping[str, Any] | None) -> tuple[dict[str, Any] | None, tuple[File, ...]]:
    """What stands beside the words without its files, and the files: those of a form that the envelope can hold."""
    if envelope is None:
        return None, ()
    listed: Any = envelope.get("attachments")
    files = cast("list[Any]", listed) if isinstance(listed, list) else []
    if not files or not all(_is_file(each) for each in files):
        return dict(envelope), ()
    rest = {key: value for key, value in envelope.items() if key != "attachments"}
    return rest, tuple(File(each["contentType"], each["contentUrl"], each["name"]) for each in files)


def _is_file(each: Any) -> bool:
    held = _object(each)
    return set(held) == _FILE and all(isinstance(value, str) for value in held.values())


def _attached(file: File) -> dict[str, Any]:
    return {"contentType": file.mime_type, "contentUrl": file.url or "", "name": file.name or ""}


def _words(said: Mapping[str, Any] | None) -> dict[str, str]:
    """What of the metadata is words: the envelope holds no more."""
    found = _object(None if said is None else said.get("metadata"))
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
