"""Labels: somebody vouches for what was read, and it goes without its sources from then on."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.words.content import RETENTION, Content
from lichen.core.words.errors import Conflict, Denied, Invalid
from lichen.core.words.ids import RunId, SessionId, StreamId, run_stream, session_stream
from lichen.core.words.label import Label
from lichen.engine.intake.request import Request

REASON_CHARACTERS_MAX = 1_000


async def declassify(
    request: Request,
    sources: tuple[str, ...],
    *,
    reason: str,
    run: RunId | None = None,
    session: SessionId | None = None,
) -> None:
    """Lets what was read so far go without these sources, as a record of who vouched for them and why.

    Of a run: its label, and the earlier messages of its session for the turns to come; of a session: these alone.
    Raises Denied (`may_not_declassify`) for anybody but an operator, Invalid (`sources_unknown`, `reason_missing`),
    NotFound, Conflict (`run_finished`).
    """
    if request.actor.kind != "operator":
        raise Denied("Only an operator vouches for what was read.", code="may_not_declassify")
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise Invalid("A reason of 1-1000 characters is part of the record.", code="reason_missing")
    streams = _about(request, sources, run, session)
    declassified = e.Declassified(sources, request.by, request.services.new_id("dec"), request.ruling)
    draft = e.Draft(declassified, (Content("reason", RETENTION, reason.encode()),))
    request.append(dict.fromkeys(streams, (draft,)))
    await request.journal.log.durable_stream(*streams)


def _about(
    request: Request, sources: tuple[str, ...], run: RunId | None, session: SessionId | None
) -> tuple[StreamId, ...]:
    """The streams a declassification is about; whoever is named knows these sources."""
    streams: list[StreamId] = []
    labels: list[Label] = []
    if run is not None:
        state = request.run(run)
        if state.outcome:
            raise Conflict("The run is finished; declassify its session.", code="run_finished")
        streams.append(run_stream(run))
        labels.append(state.label)
        session = session or state.session
    if session is not None:
        request.mailbox(session)
        streams.append(session_stream(session))
        labels.extend(event.label for event in request.journal.events(session_stream(session)))
    known = {source for label in labels for source in label.sources}
    if not sources or not known.issuperset(sources):
        raise Invalid(
            "None of what was read there has one of these sources.",
            code="sources_unknown",
            next_step="`lichen runs show RUN` names the sources of each record.",
        )
    return tuple(streams)
