"""What got stuck on its way in or out: seen, tried again, put away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from lichen.channels.port import ChannelPort, Inbound
from lichen.core.speech import saying
from lichen.core.words.errors import ContentErased, Invalid, LichenError, NotFound
from lichen.core.words.ids import TENANT_STREAM, SessionId, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake.request import Request
from lichen.engine.journal.journal import Journal
from lichen.engine.letters import dead, deliveries
from lichen.gate.rules.schema import Action
from lichen.log.projections.outbox import LetterRow, OutboxRow
from lichen.log.views.durable import Durable
from lichen.runtime.access.access import ALL, EVERYTHING, About, Access
from lichen.runtime.channels.kept import Kept, decoded
from lichen.runtime.operations.talk.sessions import Sessions
from lichen.runtime.operations.talk.taking import Taking
from lichen.runtime.project.project import Project
from lichen.runtime.views.talks.letter import LetterDetail, LetterError, LetterState, LetterView, letter_line

if TYPE_CHECKING:
    from lichen.runtime.operations.timing.schedules import Schedules

TEXT_CHARACTERS_MAX = 200
PREFIX = "letter-"
_INGRESS = re.compile(r"letter-(\d{1,12})")
_EGRESS = re.compile(r"([A-Za-z0-9_-]{1,128})\.([a-z]\d{1,12})")
_REASONS = {"failed": "The platform does not take it.", "in_doubt": "Nobody knows whether the customer has it."}


class _In(NamedTuple):
    n: int


class _Out(NamedTuple):
    session: SessionId
    message: str


class Letters:
    """The dead letters of a runtime, its messages in doubt and those that could not be delivered.

    Each operation raises Denied, NotFound (`letter_unknown`); of two people who do something one is told that it is
    done: Conflict (`letter_settled`).
    """

    def __init__(
        self,
        engine: Engine,
        access: Access,
        project: Project | None,
        sessions: Sessions,
        *,
        schedules: Callable[[], Schedules],
    ) -> None:
        self._engine, self._access = engine, access
        self._project, self._sessions, self._schedules = project, sessions, schedules

    async def list(
        self,
        scope: Scope,
        actor: Actor,
        *,
        limit: int = 100,
        state: LetterState | None = None,
        channel: str | None = None,
    ) -> tuple[LetterView, ...]:
        """What got stuck and nobody settled, the oldest first; what it says for whoever may read contents. `state` and
        `channel` leave out the others."""
        self._access.ask("letter.read", scope, actor, EVERYTHING)
        journal, sees = self._engine.journal(scope), self._sees(scope, actor, "letters")
        dead_ones = journal.log.letters().values() if state in (None, "dead") else ()
        came = [_dead(journal, row, sees=sees) for row in dead_ones if channel in (None, row.channel)]
        went: list[LetterView] = []
        for row in await _stranded(journal, limit, state, channel):
            await journal.log.load(session_stream(SessionId(row.session)))
            went += _stuck(journal, row, sees=sees)
        return tuple(sorted([*came[:limit], *went], key=lambda each: each.at_us)[:limit])

    def counts(self, scope: Scope, actor: Actor) -> Mapping[str, int]:
        """How many wait for a person, by state."""
        self._access.ask("letter.read", scope, actor, EVERYTHING)
        return self._engine.journal(scope).log.letter_counts()

    async def show(self, scope: Scope, id: str, actor: Actor) -> LetterDetail:
        """One of them, whole for whoever may read contents."""
        journal = self._engine.journal(scope)
        match await self._asked("letter.read", scope, id, actor):
            case (_, _In(n)):
                row = dead.open_letter(journal, n)
                return _dead_detail(journal, row, sees=self._sees(scope, actor, id))
            case (_, _Out(session, message)):
                row = await deliveries.stranded(journal, session, message)
                return _stuck_detail(journal, row, sees=self._sees(scope, actor, id))

    async def replay(self, scope: Scope, id: str, actor: Actor) -> None:
        """Has it taken after all, read as it would be read today, and once; what was to go goes again, and may be there
        twice.

        Raises what it is refused with again, and Invalid (`letter_cut`) where too little of it was kept.
        """
        match await self._asked("letter.replay", scope, id, actor):
            case (request, _In(n)):
                await self._taken(request, n)
            case (request, _Out(session, message)):
                await deliveries.resolve(request, session, message, "again")

    async def drop(self, scope: Scope, id: str, actor: Actor) -> None:
        """Puts it away: it is neither taken nor sent any more."""
        match await self._asked("letter.drop", scope, id, actor):
            case (request, _In(n)):
                await dead.settle(request, n, "dropped")
            case (request, _Out(session, message)):
                await deliveries.resolve(request, session, message, "dropped")

    async def delivered(self, scope: Scope, id: str, actor: Actor) -> None:
        """Says that the customer has it, as far as a person can see. Raises Invalid (`letter_invalid`) for a message
        that came in."""
        match await self._asked("letter.drop", scope, id, actor):
            case (request, _In(n)):
                dead.open_letter(request.journal, n)
                raise Invalid("This came in, and was not to be delivered.", code="letter_invalid")
            case (request, _Out(session, message)):
                await deliveries.resolve(request, session, message, "delivered")

    async def _asked(self, action: Action, scope: Scope, id: str, actor: Actor) -> tuple[Request, _In | _Out]:
        """What is asked of which letter, once it may be; whether there is one is told to whoever may know it."""
        journal, named = self._engine.journal(scope), _parsed(id)
        match named:
            case _In(n):
                row = journal.log.letters().get(n)
                channel = "" if row is None else row.channel
            case _Out(session, _):
                await journal.log.load(session_stream(session))
                channel = journal.mailbox(session).channel
            case None:
                channel = ""
        ruling = self._access.ask(action, scope, actor, About(channel or ALL))
        if named is None:
            raise dead.unknown()
        return Request(self._engine, scope, actor, ruling), named

    # -- what comes in -------------------------------------------------------------------------------------------

    async def _taken(self, request: Request, n: int) -> None:
        row = dead.open_letter(request.journal, n)
        kept = _kept(request.journal, n)
        if kept.is_cut:
            step = "Put it away: `lichen letters drop`; and ask the customer to send less."
            raise Invalid("Only the beginning of this letter was kept.", code="letter_cut", next_step=step)
        channel, taking = self._channel(request.scope, row.channel)
        for i, message in enumerate(_read(channel, request.scope, kept)):
            await taking.take(message, key=f"{PREFIX}{n}-{i}")
        await dead.settle(request, n, "replayed")

    def _channel(self, scope: Scope, name: str) -> tuple[ChannelPort, Taking]:
        """The channel that a letter came by. Raises NotFound (`channel_unknown`), Unavailable (`plugin_broken`)."""
        if self._project is None:
            raise NotFound("There are no channels here.", code="channel_unknown")
        own, channel = self._project.channels.get(name, scope.tenant)
        if own != scope:
            raise NotFound("The channel is of another environment by now.", code="channel_unknown")
        taking = Taking(self._engine, self._project, self._sessions, scope, channel, schedules=self._schedules)
        return channel, taking

    def _sees(self, scope: Scope, actor: Actor, opened: str) -> bool:
        """Whether the actor sees words, which is noted then."""
        ruling = self._access.allowed("run.contents", scope, actor, EVERYTHING)
        if ruling is not None:
            self._access.openings.note("record", scope, actor, opened, ruling)
        return ruling is not None


def _parsed(id: str) -> _In | _Out | None:
    if found := _INGRESS.fullmatch(id):
        return _In(int(found[1]))
    if found := _EGRESS.fullmatch(id):
        return _Out(SessionId(found[1]), found[2])
    return None


# -- letters that came in ----------------------------------------------------------------------------------------


def _kept(journal: Journal, n: int) -> Kept:
    """Raises ContentErased, Corrupt (`letter_unreadable`)."""
    return decoded(journal.log.contents(TENANT_STREAM, n)["letter"])


def _read(channel: ChannelPort, scope: Scope, kept: Kept) -> Iterator[Inbound]:
    """The messages of a letter, read as they are today. Raises what reading them raises, Invalid (`letter_empty`)."""
    if kept.arrival is None:
        assert kept.message is not None, "a letter is of a request, or of a message"
        yield kept.message
        return
    try:
        found = channel.parse(scope, kept.arrival, kept.sender)
    except LichenError:
        raise
    except Exception as error:
        raise Invalid("The channel still cannot read this.", code="channel_failed") from error
    here = [msgspec.structs.replace(each, path=kept.path) for i, each in enumerate(found) if _is_it(kept, i, each)]
    if not here:
        raise Invalid("There is no message in this letter.", code="letter_empty", next_step="Put it away.")
    yield from here


def _is_it(kept: Kept, at: int, message: Inbound) -> bool:
    if kept.message is None:
        return True
    return at == kept.at if kept.message.id is None else message.id == kept.message.id


def _dead(journal: Journal, row: LetterRow, *, sees: bool) -> LetterView:
    return LetterView(
        id=f"{PREFIX}{row.n}",
        stage="ingress",
        state="dead",
        channel=row.channel,
        code=row.code,
        conversation=row.conversation,
        at_us=row.at_us,
        attempts=0,
        text=_short(_text(journal, row.n)) if sees else None,
        summary=letter_line("dead", row.channel, row.code),
    )


def _text(journal: Journal, n: int) -> str | None:
    try:
        return _kept(journal, n).text
    except LichenError:
        return None


def _dead_detail(journal: Journal, row: LetterRow, *, sees: bool) -> LetterDetail:
    contents = journal.log.contents(TENANT_STREAM, row.n)
    message = _kept(journal, row.n).message
    id = message.id or "" if message is not None else ""
    envelope: dict[str, Any] = msgspec.json.decode(contents["letter"]) if sees else {}
    reason = contents.get("reason", b"").decode()
    found = _detail(journal.scope, _dead(journal, row, sees=False), id, reason, envelope)
    return msgspec.structs.replace(found, text=_text(journal, row.n) if sees else None)


# -- messages that were to go ------------------------------------------------------------------------------------


async def _stranded(journal: Journal, limit: int, state: LetterState | None, channel: str | None) -> list[OutboxRow]:
    """The oldest messages that got stuck on their way out: nothing is folded for it."""
    if state == "dead":
        return []
    rows, channels = await journal.log.looked_back(_looked)
    found = [row for row in rows if state in (None, row.state) and channel in (None, channels.get(row.session))]
    return found[:limit]


def _looked(durable: Durable) -> tuple[list[OutboxRow], Mapping[str, str]]:
    rows = durable.stranded_rows(deliveries.ALL)
    return rows, durable.channels_of(row.session for row in rows)


def _stuck(journal: Journal, row: OutboxRow, *, sees: bool) -> Iterator[LetterView]:
    """The message; nothing where its customer was erased."""
    session = SessionId(row.session)
    mailbox = journal.mailbox(session)
    if journal.is_erased(mailbox.subject):
        return
    state, code = ("in_doubt" if row.state == "in_doubt" else "failed"), deliveries.code_of(journal, row)
    yield LetterView(
        id=f"{row.session}.{row.message}",
        stage="egress",
        state=state,
        channel=mailbox.channel,
        code=code,
        conversation=row.session,
        at_us=journal.event(session_stream(session), row.n).ts_us,
        attempts=row.attempts,
        text=_short(_said(journal, row)) if sees else None,
        summary=letter_line(state, mailbox.channel, code),
    )


def _said(journal: Journal, row: OutboxRow) -> str | None:
    try:
        return saying.read(journal.log.contents(session_stream(SessionId(row.session)), row.n)).text
    except ContentErased:
        return None


def _stuck_detail(journal: Journal, row: OutboxRow, *, sees: bool) -> LetterDetail:
    view = next(_stuck(journal, row, sees=False), None)
    if view is None:
        raise dead.unknown()
    envelope = {"session_id": row.session, "kind": row.kind, "text": _said(journal, row)} if sees else {}
    found = _detail(journal.scope, view, row.message, _REASONS[row.state], envelope)
    text = _said(journal, row) if sees else None
    return msgspec.structs.replace(found, session=SessionId(row.session), text=text)


def _detail(scope: Scope, view: LetterView, msg_id: str, reason: str, envelope: dict[str, Any]) -> LetterDetail:
    return LetterDetail(
        id=view.id,
        tenant=scope.tenant,
        stage=view.stage,
        platform=view.channel,
        msg_id=msg_id,
        retries=view.attempts,
        ts=datetime.fromtimestamp(view.at_us / 1e6, UTC).isoformat(),
        error=LetterError(view.code, reason, view.stage),
        envelope=envelope,
        state=view.state,
        subject=f"dlq.{scope.tenant}.{view.stage}",
        replay_subject=f"replay.{scope.tenant}.{view.stage}",
        at_us=view.at_us,
        summary=view.summary,
    )


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= TEXT_CHARACTERS_MAX:
        return text
    return f"{text[: TEXT_CHARACTERS_MAX - 1]}…"
