"""What Slack brings: events, pressed buttons, sent forms and commands, read where we depend on them.

Sources: Slack, "Events API", "block_actions payload", "View interaction payloads", "Slash commands".
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import parse_qsl

import msgspec

from lichen.channels.activities import decode
from lichen.channels.cards.showing import is_pressed
from lichen.channels.port import Arrival, FileRef, Inbound
from lichen.channels.slack import pressing, words
from lichen.channels.slack.forms import CALLBACK, Values, filled
from lichen.channels.slack.forms import words as said_by
from lichen.channels.slack.places import Address, Id, Place, Stamp
from lichen.core.words.errors import Invalid

FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 100
SAYS: Final = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""Subtypes of messages in which a person says something. Edits, deletions and what bots say are none of them."""

Listen = Literal["mentions", "threads", "all"]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Url = Annotated[str, msgspec.Meta(max_length=2_048)]


class Reading(msgspec.Struct, frozen=True):
    """How requests are read: what the channel is called, which workspace is its own (any where it is empty), to what it
    listens where several people talk, and whether commands are answered for whoever gave them alone."""

    name: str
    workspace: str = ""
    listen: Listen = "mentions"
    are_commands_private: bool = True


# -- what there is in a request ----------------------------------------------------------------------------------


class _Named(msgspec.Struct, frozen=True):
    id: Id


class Authorization(msgspec.Struct, frozen=True):
    """For whom an event is delivered: our bot."""

    user_id: str | None = None
    is_enterprise_install: bool = False


class Event(msgspec.Struct, frozen=True):
    """The outside of an event."""

    type: str
    event: msgspec.Raw = msgspec.Raw()
    challenge: str = ""
    team_id: Id | None = None
    enterprise_id: Id | None = None
    authorizations: tuple[Authorization, ...] = ()


class _What(msgspec.Struct, frozen=True):
    """What kind of event it is."""

    type: str
    subtype: str = ""
    bot_id: str | None = None
    hidden: bool = False


class _File(msgspec.Struct, frozen=True):
    id: Id
    name: str | None = None
    mimetype: str | None = None
    size: int = 0
    mode: str = ""
    url_private: Url = ""
    url_private_download: Url = ""
    permalink: Url = ""


class _Message(msgspec.Struct, frozen=True):
    user: Id
    channel: Id
    ts: Stamp
    text: str = ""
    channel_type: str = ""
    thread_ts: Stamp | None = None
    files: tuple[_File, ...] = ()


class _Container(msgspec.Struct, frozen=True):
    channel_id: Id | None = None
    message_ts: Stamp | None = None
    thread_ts: Stamp | None = None
    is_ephemeral: bool = False


class _Posted(msgspec.Struct, frozen=True):
    thread_ts: Stamp | None = None


class _Text(msgspec.Struct, frozen=True):
    text: str = ""


class _Pressed(msgspec.Struct, frozen=True):
    type: str
    action_id: Token
    action_ts: Stamp
    value: str = ""
    text: _Text = _Text()
    url: str = ""


class _State(msgspec.Struct, frozen=True):
    values: Values = {}


class _View(msgspec.Struct, frozen=True):
    id: Id
    callback_id: str = ""
    private_metadata: str = ""
    state: _State = _State()


class Interaction(msgspec.Struct, frozen=True):
    """A button that was pressed, or a form that was sent."""

    type: str
    user: _Named
    team: _Named | None = None
    enterprise: _Named | None = None
    is_enterprise_install: bool = False
    trigger_id: str = ""
    container: _Container = _Container()
    message: _Posted | None = None
    actions: tuple[_Pressed, ...] = ()
    state: _State = _State()
    view: _View | None = None

    @property
    def workspace(self) -> str:
        """Where the app is installed. Raises Invalid."""
        team, enterprise = self.team and self.team.id, self.enterprise and self.enterprise.id
        return _workspace(team, enterprise, self.is_enterprise_install)


class Private(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a modal bears unseen: where its answer belongs, and the data of the button that opened it."""

    place: Place
    address: Address
    title: str = ""
    data: Any = None


class _Command(msgspec.Struct, frozen=True):
    command: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    user_id: Id
    channel_id: Id
    trigger_id: Token
    text: str = ""
    team_id: Id | None = None
    enterprise_id: Id | None = None
    is_enterprise_install: str = ""


Request = Event | Interaction | _Command


def request(arrival: Arrival) -> Request | None:
    """What a request is; None for a kind of interaction that says nothing. Raises Invalid (`body_invalid`)."""
    if not arrival.headers.get("content-type", "").startswith(FORM):
        return decode(arrival.body, Event)
    try:
        form = dict(parse_qsl(arrival.body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise Invalid("The body is no form.", code="body_invalid", place="$") from None
    if "payload" not in form:
        return decode(msgspec.json.encode(form), _Command)
    payload = form["payload"].encode()
    kind = decode(payload, _What, place="$.payload").type
    return decode(payload, Interaction, place="$.payload") if kind in ("block_actions", "view_submission") else None


# -- what it says ------------------------------------------------------------------------------------------------


def messages(arrival: Arrival, reading: Reading) -> tuple[Inbound, ...]:
    """The message in a request, if somebody says something in it. Raises Invalid (`body_invalid`)."""
    match request(arrival):
        case Event(type="event_callback") as event:
            found = _of_event(event, reading)
        case Interaction(type="view_submission") as sent:
            found = _of_view(sent, reading)
        case Interaction() as pressed:
            found = _of_button(pressed, reading)
        case _Command() as command:
            found = _of_command(command, reading)
        case _:
            return ()
    return () if found is None else (found,)


def _of_event(event: Event, reading: Reading) -> Inbound | None:
    what = decode(bytes(event.event), _What, place="$.event")
    if what.type not in ("message", "app_mention") or what.subtype not in SAYS or what.bot_id or what.hidden:
        return None
    message = decode(bytes(event.event), _Message, place="$.event")
    first = event.authorizations[0] if event.authorizations else Authorization()
    workspace = _workspace(event.team_id, event.enterprise_id, first.is_enterprise_install)
    bot, is_direct = first.user_id or "", message.channel_type == "im" or message.channel[0] == "D"
    if not _is_ours(workspace, reading) or message.user == bot:
        return None
    if not is_direct and not _is_heard(what.type, message, bot, reading.listen):
        return None
    thread = message.thread_ts or ("" if is_direct else message.ts)
    place = Place(workspace, message.channel, message.user, thread)
    files = tuple([_file(each) for each in message.files if _is_here(each)])
    lines = [words.read(message.text, bot), *(_elsewhere(each) for each in message.files if each.mode == "external")]
    text = "\n".join(filter(None, lines)) if len(lines) > 1 else lines[0]
    return _inbound(reading, place, text, message.ts, about=message.ts, files=files)


def _is_heard(kind: str, message: _Message, bot: str, listen: Listen) -> bool:
    """Whether a message among several people is for us."""
    if kind == "app_mention" or words.mentions(message.text, bot) or listen == "all":
        return True
    return listen == "threads" and message.thread_ts is not None


def _of_button(pressed: Interaction, reading: Reading) -> Inbound | None:
    """What a pressed button says; nothing where it opens an address, or a form whose answer comes later."""
    button, at = _button(pressed), pressed.container
    if button is None or at.channel_id is None or not _is_ours(pressed.workspace, reading):
        return None
    bears = pressing.read(button.value, words.read(button.text.text))
    if bears.fields:
        return None
    place = place_of(pressed)
    text, beside = bears.title, pressing.beside(bears.data)
    if bears.here:
        text, beside = _answered(bears.title, bears.data, pressed.state.values)
    id = f"{at.message_ts or ''}:{button.action_ts}"
    made = _inbound(reading, place, text, id, about=at.message_ts or "", beside=beside, is_private=at.is_ephemeral)
    return msgspec.structs.replace(made, pressed=bears.of) if is_pressed(bears.of) else made


def place_of(pressed: Interaction) -> Place:
    """Where a button was pressed."""
    thread = pressed.container.thread_ts or (pressed.message.thread_ts if pressed.message else None) or ""
    return Place(pressed.workspace, pressed.container.channel_id or "", pressed.user.id, thread)


def _button(pressed: Interaction) -> _Pressed | None:
    """The button of ours that says something."""
    found = pressed.actions[0] if pressed.actions else None
    return found if found is not None and found.type == "button" and not found.url else None


def opening(pressed: Interaction) -> tuple[pressing.Press, Private] | None:
    """The form that a button opens, and what its modal bears; None for another button."""
    button = _button(pressed)
    if button is None or pressed.container.channel_id is None or not pressed.trigger_id:
        return None
    bears = pressing.read(button.value, "")
    if not bears.fields:
        return None
    place, at = place_of(pressed), pressed.container
    address = Address(place.channel, place.thread, at.message_ts or "", place.user if at.is_ephemeral else "")
    return bears, Private(place, address, bears.title, bears.data)


def _of_view(sent: Interaction, reading: Reading) -> Inbound | None:
    view = sent.view
    if view is None or view.callback_id != CALLBACK or not _is_ours(sent.workspace, reading):
        return None
    private = decode(view.private_metadata.encode(), Private, place="$.payload.view.private_metadata")
    if (private.place.user, private.place.workspace) != (sent.user.id, sent.workspace):
        return None
    text, beside = _answered(private.title, private.data, view.state.values)
    what = hashlib.sha256(msgspec.json.encode(view.state.values, order="sorted")).hexdigest()[:16]
    address = msgspec.json.encode(private.address)
    inbound = _inbound(reading, private.place, text, f"{view.id}:{what}", beside=beside)
    return msgspec.structs.replace(inbound, address=address)


def _answered(title: str, data: Any, values: Values) -> tuple[str, dict[str, Any]]:
    """What is said by sending a form: what was filled in, and with it the data of its button."""
    found = filled(values)
    whole = {**cast("dict[str, Any]", data), **found} if isinstance(data, dict) else found
    return said_by(found) or title, pressing.beside(whole)


def _of_command(command: _Command, reading: Reading) -> Inbound | None:
    workspace = _workspace(command.team_id, command.enterprise_id, command.is_enterprise_install == "true")
    if not _is_ours(workspace, reading):
        return None
    place = Place(workspace, command.channel_id, command.user_id)
    beside: dict[str, Any] = {"metadata": {"slack.command": command.command}}
    text, is_private = words.read(command.text) or command.command, reading.are_commands_private
    return _inbound(reading, place, text, command.trigger_id, beside=beside, is_private=is_private)


def _inbound(
    reading: Reading,
    place: Place,
    text: str,
    id: str,
    *,
    about: str = "",
    beside: dict[str, Any] | None = None,
    files: tuple[FileRef, ...] = (),
    is_private: bool = False,
) -> Inbound:
    return Inbound(
        place.conversation,
        place.customer(reading.name),
        text,
        f"{place.channel}:{id}",
        envelope=beside or None,
        address=place.address(about=about, is_private=is_private),
        files=files,
    )


def _workspace(team: str | None, enterprise: str | None, is_whole: bool) -> str:
    """Where the app is installed: in a workspace, or in a whole organization. Raises Invalid."""
    found = enterprise if is_whole and enterprise else team or enterprise
    if not found:
        raise Invalid("The request names no workspace.", code="body_invalid", place="$.team_id")
    return found


def _is_ours(workspace: str, reading: Reading) -> bool:
    return reading.workspace in ("", workspace)


def _is_here(file: _File) -> bool:
    return file.mode not in ("tombstone", "hidden_by_limit", "external")


def _file(file: _File) -> FileRef:
    """A file at Slack. Of one that a shared channel does not show yet the address is asked for by its id."""
    ref = file.url_private_download or file.url_private or file.id
    return FileRef(ref, (file.name or "")[:128], file.mimetype or "application/octet-stream", max(0, file.size))


def _elsewhere(file: _File) -> str:
    return " ".join(filter(None, (file.name, file.permalink or file.url_private)))
