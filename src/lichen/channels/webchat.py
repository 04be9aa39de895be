"""WebChat over Bot Framework Direct Line 3.0: what the widget sends and what it is shown, without a network.

Text goes out as `plain` unless whoever said it says that it is CommonMark; so nothing that a stranger wrote is ever
markup in somebody's page. What is CommonMark, and cards, go beside it as our own page draws them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lichen.channels.activities import (
    ONLY_REPORTS,
    Activity,
    channel_data_of,
    decode,
    envelope_of,
    files_of,
    key_of,
    text_of,
)
from lichen.channels.cards.drawing import drawn, drawn_text
from lichen.channels.cards.forms import card_of
from lichen.channels.cards.reading import read
from lichen.channels.cards.text import marked, paras_of
from lichen.channels.port import Arrival, Inbound
from lichen.channels.tokens import Issued, Tokens, Visitor
from lichen.core.speech.form import form_of
from lichen.core.speech.saying import Saying
from lichen.core.speech.wording import Greeting
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound

NAME: Final = "webchat"
CARD: Final = "application/vnd.microsoft.card.adaptive"


class WebChatChannel:
    """The web chat of one tenant: `tokens` say who speaks in which conversation, `bot` is the name it answers under."""

    name = NAME

    def __init__(self, tokens: Tokens, bot: str) -> None:
        self.tokens = tokens
        self._bot = {"id": bot, "name": bot, "role": "bot"}

    def admit(self, authorization: str, in_query: str, now_us: int) -> Issued:
        """The token that a request carries in its header, else in its query.

        Raises Denied (`token_missing`, `token_invalid`, `token_expired`).
        """
        scheme, _, token = authorization.partition(" ")
        token = token if scheme.lower() == "bearer" else in_query
        if not token:
            raise Denied("The request carries no token.", code="token_missing", next_step="Send `Bearer <token>`.")
        return self.tokens.read(token, now_s=now_us // 1_000_000)

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor:
        """Who sent this, by its token. Raises Denied as `admit` does."""
        return self._issued(arrival).visitor.actor

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """The message in a posted activity, as `read` finds it. Raises Denied as `admit`, Invalid as `read`."""
        visitor = self._issued(arrival).visitor
        found = self.read(arrival.body, visitor.conversation, visitor.actor)
        return () if found is None else (found,)

    def read(
        self, body: bytes, conversation: str, sender: Actor, *, files: Sequence[Mapping[str, Any]] | None = None
    ) -> Inbound | None:
        """The message in an activity that was posted to a conversation; None in one that only reports. Of an upload
        the `files` are its attachments, whatever the activity itself says of them.

        Raises Invalid: `body_invalid`, `activity_unsupported` (an invoke wants an answer at once, which no queue
        gives), `attachments_unsupported` for what is no file (ignoring it would lose it silently), `text_invalid`,
        `channel_data_too_large`.
        """
        activity = decode(body, Activity)
        if activity.type in ONLY_REPORTS:
            return None
        if activity.type != "message":
            raise Invalid("Activities of this type are not taken.", code="activity_unsupported", place="$.type")
        attached = files_of(activity) if files is None else list(files)
        kept = channel_data_of(activity)
        return Inbound(
            conversation,
            sender,
            text_of(activity),
            key_of(activity, kept),
            kept.data,
            envelope_of(activity, kept, attached),
            activity.locale,
        )

    def _issued(self, arrival: Arrival) -> Issued:
        return self.admit(arrival.headers.get("authorization", ""), arrival.query.get("t", ""), arrival.now_us)

    def render(self, message: Outbound) -> dict[str, Any]:
        """The message as an activity; `id` and `conversation` are the transcript's to say."""
        said, card = message.saying, card_in(message)
        shown: dict[str, Any] = {
            "type": "message",
            "channelId": NAME,
            "timestamp": timestamp(message.queued_at_us),
            "from": self._bot,
            "text": marked(said.text, said.format, said.format),
            "textFormat": said.format,
            "inputHint": "expectingInput" if message.kind == "question" else "acceptingInput",
            "channelData": {"lichen": {"kind": message.kind, **_drawn(said, card)}, **_metadata(message)},
        }
        if attached := attachments(msgspec.structs.replace(said, card=card)):
            shown["attachments"] = attached
        if message.suggestions:
            shown["suggestedActions"] = suggested(message.suggestions)
        return shown if message.reply_to is None else {**shown, "replyToId": message.reply_to}

    def greeting(self, greeting: Greeting, opened_us: int) -> dict[str, Any]:
        """What is there before anything was said, with what the customer may say by pressing a button."""
        said = Outbound(
            MessageId(""), SessionId(""), "greeting", Saying(greeting.text), opened_us, suggestions=greeting.suggestions
        )
        return self.render(said)

    def typing(self, text: str) -> dict[str, Any]:
        """That an answer is being written, and how far it is."""
        shown: dict[str, Any] = {"type": "typing", "channelId": NAME, "from": self._bot}
        return {**shown, "text": text, "textFormat": "plain"} if text else shown

    def echo(
        self, visitor: Visitor, text: str, data: bytes, ts_us: int, *, files: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, Any]:
        """The customer's own message, with what their client keeps with it and the files that came with it."""
        shown: dict[str, Any] = {
            "type": "message",
            "channelId": NAME,
            "timestamp": timestamp(ts_us),
            "from": {"id": visitor.user, "role": "user"},
            "text": text,
            "textFormat": "plain",
        }
        if files:
            shown["attachments"] = list(files)
        return {**shown, "channelData": msgspec.Raw(data)} if data else shown

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Nothing is left to do: clients fetch their messages, and fetching is what is recorded."""
        return Delivery("delivered")


def card_in(message: Outbound) -> Mapping[str, Any] | None:
    """The card of a message, or the form that its question asks for as one."""
    form = form_of(message.schema, message.language) if message.saying.card is None else None
    return message.saying.card if form is None else card_of(form)


def _drawn(said: Saying, card: Mapping[str, Any] | None) -> dict[str, Any]:
    """Text with markup and a card, as our own page draws them."""
    text = {"paras": drawn_text(paras_of(said.text, said.format))} if said.format == "markdown" else {}
    return text if card is None else {**text, "blocks": drawn(read(card).blocks)}


def _metadata(message: Outbound) -> dict[str, Any]:
    """What goes with a message beside its words, where clients of bots look for it."""
    return {"metadata": dict(message.metadata)} if message.metadata else {}


def attachments(saying: Saying) -> list[dict[str, Any]]:
    """The card and files of a message, as activities carry them."""
    card: list[dict[str, Any]] = [] if saying.card is None else [{"contentType": CARD, "content": saying.card}]
    return card + [
        {"contentType": each.content_type, "contentUrl": each.url, **({"name": each.name} if each.name else {})}
        for each in saying.attachments
    ]


def suggested(texts: Sequence[str]) -> dict[str, Any]:
    """Buttons, each of which says its own text."""
    return {"actions": [{"type": "imBack", "title": text, "value": text} for text in texts]}


def timestamp(ts_us: int) -> str:
    """ISO 8601 in UTC with milliseconds, as Direct Line writes it."""
    moment = datetime.fromtimestamp(ts_us / 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ts_us // 1_000 % 1_000:03}Z"
