"""Files of the customer as a planner reads them: each from the log, when it is asked for."""

from __future__ import annotations

from lichen.core.speech.attached import part, place_of
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import session_stream
from lichen.engine.act import Act


async def read_file(act: Act, reference: str) -> bytes:
    """The bytes of a file of the run's session. Raises NotFound (`attachment_unknown`), ContentErased."""
    place, session = place_of(reference), act.state.session
    if place is None or session is None:
        raise unknown()
    await act.journal.durable(session=session)
    try:
        return await act.journal.log.content(session_stream(session), place[0], part(place[1]))
    except NotFound as error:
        raise (unknown() if error.code in ("record_missing", "content_missing") else error) from error


def unknown() -> NotFound:
    """There is no such file in the conversation."""
    return NotFound(
        "There is no such file in this conversation.",
        code="attachment_unknown",
        next_step="Take the reference from the `attachments` of a message of it.",
    )
