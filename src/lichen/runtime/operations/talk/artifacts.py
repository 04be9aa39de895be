"""What tools gave for people's eyes, as the answer beside which it stands brings it to its reader."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import Artifact
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import SessionId, run_stream, session_stream
from lichen.engine.drafts.artifacts import PART, Reference
from lichen.engine.journal.journal import Journal
from lichen.runtime.views.session import SentFile

_REFERENCES = msgspec.json.Decoder(tuple[Reference, ...])


def named(contents: Mapping[str, bytes]) -> tuple[Reference, ...]:
    """The artifacts that a message refers to, in their order."""
    return _REFERENCES.decode(contents[PART]) if PART in contents else ()


async def read(journal: Journal, session: SessionId, n: int, i: int) -> SentFile:
    """Artifact `i` of the answer that is record `n` of a session, as JSON. Policy let that answer go with the label of
    all that its run had read. Raises NotFound (`artifact_unknown`, `content_erased`)."""
    stream, log = session_stream(session), journal.log
    control = log.event(stream, n).control if 0 <= n < journal.mailbox(session).n else None
    if not isinstance(control, e.MessageQueued) or control.run is None:
        raise unknown()
    references = named(log.contents(stream, n))
    if not 0 <= i < len(references):
        raise unknown()
    await journal.durable(session=session)
    found = references[i]
    data = await log.content(run_stream(control.run), found.n, PART)
    artifact = msgspec.json.decode(data, type=tuple[Artifact, ...])[found.i]
    return SentFile(f"{artifact.kind}.json", "application/json", msgspec.json.encode(artifact.data))


def unknown() -> NotFound:
    """There is no such artifact in the conversation."""
    return NotFound(
        "There is no such artifact in this conversation.",
        code="artifact_unknown",
        next_step="Take its address from the `attachments` of an answer of it.",
    )
