"""Activities by HTTP: what the customer says, and what there is to read."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from lichen.channels.port import Inbound
from lichen.channels.tokens import Visitor
from lichen.core.speech.attached import weight
from lichen.core.words import faults
from lichen.engine.brief.attached import unknown
from lichen.runtime.operations.talk.artifacts import unknown as no_artifact
from lichen.runtime.operations.talk.sessions import Session
from lichen.serve.files.download import download
from lichen.serve.files.upload import upload_of
from lichen.serve.http.errors import JSON
from lichen.serve.webchat import points
from lichen.serve.webchat.transcript import Page, Transcript, activity_id, beginning
from lichen.serve.webchat.visit import Visit, answer


async def post(visit: Visit) -> Response:
    """Takes one activity; acknowledged once it is durable. The same one sent again gets the same id.

    An activity that says nothing (typing, an event) is acknowledged under an id of its own and kept nowhere.
    """
    return await _take(visit, *read(visit))


async def upload(visit: Visit) -> Response:
    """Takes files, and what the customer says with them: parts of a form, one of which may be the activity, or a file
    alone. Acknowledged as an activity is."""
    visitor, sent = visit.visitor(), upload_of(visit.request, visit.data)
    channel = visit.chat.channel
    message = channel.read(sent.activity, visitor.conversation, visitor.actor, files=sent.attachments)
    return await _take(visit, visitor, message)


async def _take(visit: Visit, visitor: Visitor, message: Inbound | None) -> Response:
    """Takes a message; acknowledged once it is durable."""
    chat = visit.chat
    if message is None:
        return answer({"id": f"{visitor.conversation}|{chat.new_id('report')}"})
    count(visit, message)
    session = await chat.session(visitor, visit.language(message.locale))
    turn = await session.say(message.text, key=message.id, channel_data=message.data, data=message.envelope)
    return Response(acknowledged(visitor.conversation, turn.receipt.n), media_type=JSON)


def read(visit: Visit) -> tuple[Visitor, Inbound | None]:
    """Who posts an activity, and the message in it. Raises as `Visit.visitor` and the channel do."""
    visitor = visit.visitor()
    return visitor, visit.chat.channel.read(visit.data, visitor.conversation, visitor.actor)


def count(visit: Visit, message: Inbound) -> None:
    """Counts a message, which is taken from now on. Raises TooMany (`messages_too_many`, `address_bytes`)."""
    files = weight(message.envelope) if message.envelope is not None else 0
    visit.count(message.conversation, len(message.text.encode()) + len(message.data), files=files)
    faults.hit(points.TAKEN)


def acknowledged(conversation: str, n: int) -> bytes:
    """What acknowledges a message, which is record `n` of its conversation."""
    faults.hit(points.DURABLE)
    return msgspec.json.encode({"id": activity_id(conversation, n)})


async def get(visit: Visit) -> Response:
    """Activities after the watermark. Asking with a watermark confirms what lies before it.

    Of a conversation in which nothing was said there is the greeting, which is stored nowhere.
    """
    visitor = visit.visitor()
    watermark = visit.watermark()
    session = await visit.chat.begun(visitor)
    if session is None:
        return Response(beginning_of(visit, visitor, watermark).frame(), media_type=JSON)
    transcript = transcript_of(visit, session, visitor)
    faults.hit(points.READ)
    page = await transcript.page(watermark)
    if watermark:
        transcript.confirm(watermark)
        faults.hit(points.CONFIRMED)
    return Response(page.frame(), media_type=JSON)


async def file(visit: Visit) -> Response:
    """A file of the conversation, for who has its token. Raises NotFound (`attachment_unknown`)."""
    visitor = visit.visitor()
    session = await visit.chat.begun(visitor)
    if session is None:
        raise unknown()
    n, i = (visit.request.path_params[name] for name in ("n", "i"))
    return download(await session.file(n, i))


async def artifact(visit: Visit) -> Response:
    """What a tool gave for people's eyes beside an answer, as JSON to be kept, for who has the token. Raises NotFound
    (`artifact_unknown`)."""
    visitor = visit.visitor()
    session = await visit.chat.begun(visitor)
    if session is None:
        raise no_artifact()
    n, i = (visit.request.path_params[name] for name in ("n", "i"))
    return download(await session.artifact(n, i))


def beginning_of(visit: Visit, visitor: Visitor, watermark: int) -> Page:
    """What a conversation shows in which nothing was said."""
    chat = visit.chat
    language = chat.runtime.wording(chat.scope).chosen(visitor.language or visit.language())
    return beginning(visitor, chat.channel, chat.greeting(language), watermark)


def transcript_of(visit: Visit, session: Session, visitor: Visitor) -> Transcript:
    """The conversation as this client reads it."""
    chat = visit.chat
    return Transcript(session.id, session.conversation, visitor, chat.channel, chat.greeting, visit)
