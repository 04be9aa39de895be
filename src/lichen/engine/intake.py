"""What comes from outside: sessions, messages, runs, answers, signals. Acknowledged only once durable.

Whether somebody may is asked before (`lichen.runtime.operations`); what the gate said of it is handed in as `ruling`.
Every operation takes the caller's idempotency key where it could be sent twice; a repeated one returns what the
first returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.mailbox import OUTBOX_MAX, MailboxState, Question, disposition
from lichen.core.deciders.run import RunState
from lichen.core.ports.plan import TEXT_BYTES_MAX, SpeakerRole
from lichen.core.words.content import RETENTION, Content
from lichen.core.words.errors import Conflict, ContentErased, Denied, Expired, Invalid, NotFound, Unavailable
from lichen.core.words.ids import (
    AgentName,
    MessageId,
    RunId,
    SessionId,
    StreamId,
    WaitId,
    run_stream,
    session_stream,
)
from lichen.core.words.label import EMPTY, EXTERNAL, Label
from lichen.core.words.scope import Actor, Scope, speaks_as
from lichen.core.words.wait import (
    ABOUT_EFFECTS,
    ANSWER_BYTES_MAX,
    HALTING,
    OUTCOMES,
    Wait,
    WaitOutcome,
    is_requester,
    may_answer,
)
from lichen.engine.act import Act, SessionAct
from lichen.engine.acts.turn import acting, pins, start_draft
from lichen.engine.answers.expected import answer_to, check_answer, expected_of
from lichen.engine.answers.messages import encoded, message
from lichen.engine.answers.replies import Reply, take
from lichen.engine.engine import Engine
from lichen.engine.journal.attributes import sealed
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.labels import label_of, said_by
from lichen.engine.journal.tree import cancel_tree, halt_tree, mirror, resume_tree
from lichen.engine.ports import AgentDef, Services
from lichen.engine.sends.sends import announced
from lichen.engine.sends.starts import opener

MESSAGE_BYTES_MAX = 16 * 1024
KEY_CHARACTERS_MAX = 256
ADDRESS_BYTES_MAX = 8 * 1024
REASON_CHARACTERS_MAX = 1_000
ALL = 2**31  # rows
_MAY_RESUME: dict[str, tuple[str, ...]] = {"pause": ("operator", "service"), "preempt": ("system", "operator")}


class Receipt(msgspec.Struct, frozen=True):
    """What became of a message: it waits for its turn, joined the open one, answered a wait, or was refused."""

    session: SessionId
    message: MessageId
    n: int  # the session's record that holds the message
    disposition: Literal["queued", "joined", "answered", "rejected"]
    run: RunId | None = None
    wait: WaitId | None = None
    is_repeated: bool = False


class Words(NamedTuple):
    """A message that is taken: its number and token, what it says, whose words they are, and what the gate said."""

    message: MessageId
    token: str
    text: str
    contents: tuple[Content, ...]
    role: SpeakerRole
    by: str
    ruling: e.Ruling | None


class Intake:
    """The operations of one engine. Scope and actor are always named; nothing is ambient."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._services = engine.services
        self.deltas = engine.services.deltas

    # -- sessions ------------------------------------------------------------------------------------------------

    def session_id(self, scope: Scope, actor: Actor, *, agent: AgentName, channel: str, key: str | None) -> SessionId:
        """The id of a session that is to be opened; with a `key` always the same for this actor, agent and channel.

        Raises NotFound (`agent_unknown`), Invalid (`key_invalid`).
        """
        self._agent(agent)
        journal = self._engine.journal(scope)
        return SessionId(self._id(journal, "ses", key, f"{actor.kind}:{actor.id}:{agent}:{channel}"))

    async def open_session(
        self,
        scope: Scope,
        session: SessionId,
        actor: Actor,
        *,
        agent: AgentName,
        channel: str = "api",
        delivery: Literal["pull", "push"] = "pull",
        double_texting: e.DoubleTexting = "enqueue",
        attributes: Mapping[str, str] = {},
        language: str = "",
        address: bytes = b"",
        is_fresh: bool = False,
        ruling: e.Ruling | None = None,
    ) -> bool:
        """Opens a session of `actor` with `agent` under an id from `session_id`, and says whether this did: once it is
        open, it does nothing.

        `is_fresh`: the id was drawn just now. `attributes` are those of every run of the session, for its planner and
        its tools. `language` is what the customer wants, as Accept-Language has it; the session gets one that the
        tenant speaks. `address` is where its channel pushes messages to.

        Raises Invalid (`attributes_invalid`, `address_too_large`), Unavailable.
        """
        own = sealed(attributes)
        _check_address(address)
        journal = self._engine.journal(scope)
        stream = session_stream(session)
        if is_fresh:
            journal.log.begin(stream)
        await self._engine.turn(journal)
        is_new = journal.state(stream).n == 0
        if is_new:
            self._engine.admit(scope, actor)
            spoken = self._services.wording(scope).chosen(language) if language else ""
            subject = _subject(journal, actor)
            opened = e.MailboxOpened(
                agent, subject, channel, delivery, double_texting, spoken, ruling=ruling, has_address=bool(address)
            )
            parts = [("actor", msgspec.json.encode(actor)), ("attributes", own), ("address", address)]
            draft = e.Draft(opened, moves.as_contents(parts, subject))
            journal.append({stream: (draft,)}, actor=subject)
        await journal.durable(session=session)
        return is_new

    async def close_session(
        self, scope: Scope, session: SessionId, actor: Actor, *, ruling: e.Ruling | None = None
    ) -> None:
        """Takes no further message and cancels every run of the session, those included that wait for somebody else.

        Closing twice is no error.
        """
        journal = self._engine.journal(scope)
        mailbox = self._mailbox(journal, session)
        if not mailbox.is_closed:
            stream = session_stream(session)
            appended: dict[StreamId, moves.Drafts] = {stream: (e.Draft(e.MailboxClosed("requested", ruling)),)}
            turn = () if mailbox.turn is None else (mailbox.turn.run,)
            for run in (*turn, *mailbox.released):
                told = cancel_tree(journal, journal.run(run), "session_ended", "session-ended")
                _merge(appended, told)
            journal.append(appended, actor=journal.log.name(actor))
        await journal.durable(session=session)

    async def end_all(self, scope: Scope, subject: str, actor: Actor) -> None:
        """Closes every session and cancels every run of a subject, a pseudonym."""
        log = self._engine.journal(scope).log
        await log.durable()  # rows are as of the last commit
        for row in log.stream_rows("session", limit=ALL):
            if row.subject == subject and not row.outcome:
                await self.close_session(scope, SessionId(row.id), actor)
        for row in log.stream_rows("run", limit=ALL):
            if row.subject == subject and not row.outcome:
                await self.cancel(scope, RunId(row.id), actor, code="subject_erased")

    # -- messages ------------------------------------------------------------------------------------------------

    async def say(
        self,
        scope: Scope,
        session: SessionId,
        text: str,
        actor: Actor,
        *,
        key: str | None = None,
        channel_data: bytes = b"",
        data: Any = None,
        address: bytes = b"",
        ruling: e.Ruling | None = None,
    ) -> Receipt:
        """Takes one message of the session's customer; returns once it is durable.

        `channel_data` is kept with the message for its channel alone. `data`, any JSON, goes to the planner with the
        words: what a channel knows beside them. `address` is where the channel pushes replies to from now on.

        Raises Invalid (`message_too_large`, `message_empty`, `input_too_large`, `input_invalid`, `address_too_large`),
        NotFound, Conflict
        (`session_closed`, `key_reused`), Unavailable (nothing was taken).
        """
        said = _checked(text)
        _check_address(address)
        beside = encoded(data)
        self._engine.admit(scope, actor)
        journal = self._engine.journal(scope)
        await self._engine.turn(journal)
        mailbox = self._mailbox(journal, session)
        number = MessageId(f"m{mailbox.received + 1}")
        token = _token(journal, key) or number
        receipt = self._repeated(journal, session, token, said, beside)
        if receipt is None:
            if mailbox.is_closed:
                raise Conflict("The session is closed.", code="session_closed", next_step="Open a new session.")
            if len(mailbox.outbox) >= OUTBOX_MAX:
                raise Unavailable("Too many replies of this session were not received.", code="outbox_full")
            parts = [("text", said), ("data", beside), ("channel", channel_data), ("address", address)]
            contents = moves.as_contents(parts, mailbox.subject)
            who = journal.log.name(actor)
            words = Words(number, token, text, contents, speaks_as(actor), _speaker(mailbox, actor, who), ruling)
            receipt = self._take(journal, mailbox, words, who)
        await journal.durable(session=session)
        return receipt

    def _repeated(self, journal: Journal, session: SessionId, token: str, said: bytes, data: bytes) -> Receipt | None:
        stream = session_stream(session)
        n = journal.log.find(stream, f"message_received/{token}")
        if n is None:
            return None
        contents = journal.log.contents(stream, n)
        if (contents.get("text"), contents.get("data", b"")) != (said, data):
            raise Conflict("This idempotency key was used for another message.", code="key_reused")
        control = journal.event(stream, n).control
        assert isinstance(control, e.MessageReceived)
        return Receipt(session, control.message, n, control.disposition, control.run, control.wait, is_repeated=True)

    def _take(self, journal: Journal, mailbox: MailboxState, words: Words, actor: str) -> Receipt:
        mailbox, withdrawn = self._without_stale_questions(journal, mailbox)
        stream = session_stream(mailbox.id)
        number, token, text, contents, role, by, ruling = words
        is_theirs, label = role == "customer" or by == mailbox.subject, said_by(role, by, subject=mailbox.subject)
        kind = disposition(mailbox if is_theirs else msgspec.structs.replace(mailbox, questions=()))
        run: RunId | None = mailbox.turn.run if mailbox.turn is not None else None
        appended: dict[StreamId, moves.Drafts] = {}
        session: moves.Drafts = withdrawn
        after: moves.Drafts = ()
        wait: WaitId | None = None
        match kind:
            case "answered":
                question = mailbox.questions[-1]
                run, wait = question.run, question.wait
                data = next((content.data for content in contents if content.part == "data"), b"")
                act = Act.on(self._services, journal, run)
                reply = take(act, mailbox, wait, Reply(text, data, by, token))
                session, after, appended = (*session, *reply.before), reply.after, reply.run
            case "joined" if run is not None and not journal.run(run).is_ending:
                messages = msgspec.json.encode([message(role, {c.part: c.data for c in contents}, by)])
                signal = e.Draft(e.Signal("input", token, by=by), (Content("input", mailbox.subject, messages),), label)
                appended[run_stream(run)] = (signal,)
            case "interrupts" if run is not None:
                appended = cancel_tree(journal, journal.run(run), "interrupted", f"interrupt-{token}")
            case _:
                pass
        taken = "queued" if kind == "interrupts" or (kind == "joined" and not appended) else kind
        joined_run = run if taken in ("answered", "joined") else None
        has_address = any(content.part == "address" for content in contents)
        received = e.MessageReceived(number, token, taken, joined_run, wait, role, ruling, by, has_address)
        n = mailbox.n + len(session)
        session = (*session, e.Draft(received, contents, label), *after)
        if taken == "rejected":
            words_of = self._services.wording(journal.scope).of(mailbox.language)
            notice = Content("text", mailbox.subject, words_of.rejected.encode())
            told = (moves.queue(mailbox, "notice", notice, token=f"rejected/{token}"),)
            act = SessionAct(self._services, journal, mailbox)
            session = (*session, *announced(act, acting(mailbox.agent, opener(act)), told))
        journal.append(_merge({stream: session}, appended), actor=actor)
        return Receipt(mailbox.id, number, n, taken, joined_run, wait)

    def _without_stale_questions(self, journal: Journal, mailbox: MailboxState) -> tuple[MailboxState, moves.Drafts]:
        """The mailbox without questions whose wait is gone, and the records that withdraw them."""
        stale = [q for q in mailbox.questions if not _is_open(journal, q)]
        if not stale:
            return mailbox, ()
        kept = tuple(q for q in mailbox.questions if q not in stale)
        drafts = tuple(e.Draft(e.WaitClosed(q.run, q.wait, "cancelled")) for q in stale)
        return msgspec.structs.replace(mailbox, questions=kept), drafts

    def _mailbox(self, journal: Journal, session: SessionId) -> MailboxState:
        mailbox = journal.mailbox(session)
        if not mailbox.n:
            raise NotFound("There is no such session in this scope.", code="session_unknown")
        return mailbox

    # -- runs ----------------------------------------------------------------------------------------------------

    async def start(
        self,
        scope: Scope,
        agent: AgentName,
        text: str,
        actor: Actor,
        *,
        key: str | None = None,
        input: Any = None,
        attributes: Mapping[str, str] = {},
        ruling: e.Ruling | None = None,
    ) -> RunId:
        """Starts one run without a session; returns once it is durable.

        `input` is any JSON; with it the text may be empty. `attributes` are for the run's planner and tools.

        Raises NotFound (`agent_unknown`), Invalid (`message_empty`, `input_invalid`, `input_too_large`,
        `attributes_invalid`), Conflict (`key_reused`), Unavailable.
        """
        if text or input is None:
            _checked(text)
        own = sealed(attributes)
        contents = {"text": text.encode(), "data": encoded(input)}
        self._engine.admit(scope, actor)
        definition = self._agent(agent)
        journal = self._engine.journal(scope)
        await self._engine.turn(journal)
        run = RunId(self._id(journal, "run", key, f"{actor.kind}:{actor.id}:{agent}"))
        stream = run_stream(run)
        if key is None:
            journal.log.begin(stream)
        messages = [message(speaks_as(actor), contents, journal.log.name(actor))]
        if journal.state(stream).n == 0:
            subject = _subject(journal, actor)
            pinned = pins(self._services, scope, agent)
            started = e.RunStarted(agent, subject, definition.limits, pins=pinned, requesters=(subject,), ruling=ruling)
            journal.append({stream: (start_draft(started, messages, acting(agent, actor), own),)}, actor=subject)
        elif journal.log.contents(stream, 0).get("input") != msgspec.json.encode(messages):
            raise Conflict("This idempotency key was used for another run.", code="key_reused")
        await journal.durable(run=run)
        return run

    async def cancel(
        self, scope: Scope, run: RunId, actor: Actor, *, code: str = "requested", ruling: e.Ruling | None = None
    ) -> None:
        """Ends a run and the runs it started: what has not started never will, what started is settled. Cancelling
        twice is no error."""
        journal = self._engine.journal(scope)
        state = self._run(journal, run)
        appended = cancel_tree(journal, state, code, f"{actor.kind}-{state.n}")
        if appended:
            journal.append(_ruled(appended, run, ruling), actor=journal.log.name(actor))
        await journal.durable(run=run)

    async def pause(self, scope: Scope, run: RunId, actor: Actor, *, ruling: e.Ruling | None = None) -> None:
        """Halts a run and the runs it started, each at its next step boundary. Raises Conflict (`run_halted`)."""
        await self._halt(scope, run, actor, "pause", ruling)

    async def preempt(self, scope: Scope, run: RunId, actor: Actor, *, ruling: e.Ruling | None = None) -> None:
        """Sets a run aside for more urgent work: nothing new starts, what runs may end, then it leaves memory and its
        time stands still until `resume`. Raises Conflict (`run_halted`)."""
        await self._halt(scope, run, actor, "preempt", ruling)

    async def _halt(
        self, scope: Scope, run: RunId, actor: Actor, kind: Literal["pause", "preempt"], ruling: e.Ruling | None
    ) -> None:
        journal = self._engine.journal(scope)
        by = journal.log.name(actor)
        appended = halt_tree(journal, self._run(journal, run), kind, _MAY_RESUME[kind], by)
        if not appended:
            raise Conflict("The run is finished or halted already.", code="run_halted")
        journal.append(_ruled(appended, run, ruling), actor=by)
        await journal.durable(run=run)

    async def resume(self, scope: Scope, run: RunId, actor: Actor, *, ruling: e.Ruling | None = None) -> None:
        """Ends a pause or preemption, of the runs it started too; calls that were allowed before are decided again.

        Raises Conflict (`run_not_paused`, `parent_paused`).
        """
        journal = self._engine.journal(scope)
        state = self._run(journal, run)
        if not state.is_halted:
            raise Conflict("The run is not paused.", code="run_not_paused")
        if state.parent is not None and (parent := journal.run(state.parent.run)).is_halted:
            raise Conflict(
                "The run that started this one is paused.",
                code="parent_paused",
                next_step=f"Run `lichen runs resume {parent.id}`.",
            )
        by = journal.log.name(actor)
        journal.append(_ruled(resume_tree(journal, state, by), run, ruling), actor=by)
        await journal.durable(run=run)

    # -- labels --------------------------------------------------------------------------------------------------

    async def declassify(
        self,
        scope: Scope,
        actor: Actor,
        *,
        sources: tuple[str, ...],
        reason: str,
        run: RunId | None = None,
        session: SessionId | None = None,
        ruling: e.Ruling | None = None,
    ) -> None:
        """Lets what was read so far go without these sources, as a record of who vouched for them and why.

        Of a run: its label, and the earlier messages of its session for the turns to come; of a session: these alone.
        Raises Denied (`may_not_declassify`) for anybody but an operator, Invalid (`sources_unknown`, `reason_missing`),
        NotFound, Conflict (`run_finished`).
        """
        journal = self._engine.journal(scope)
        if actor.kind != "operator":
            raise Denied("Only an operator vouches for what was read.", code="may_not_declassify")
        if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
            raise Invalid("A reason of 1-1000 characters is part of the record.", code="reason_missing")
        streams = self._declassified(journal, sources, run, session)
        declassified = e.Declassified(sources, journal.log.name(actor), self._services.new_id("dec"), ruling)
        draft = e.Draft(declassified, (Content("reason", RETENTION, reason.encode()),))
        journal.append(dict.fromkeys(streams, (draft,)), actor=journal.log.name(actor))
        await journal.log.durable_stream(*streams)

    def _declassified(
        self, journal: Journal, sources: tuple[str, ...], run: RunId | None, session: SessionId | None
    ) -> tuple[StreamId, ...]:
        """The streams a declassification is about; whoever is named knows these sources."""
        streams: list[StreamId] = []
        labels: list[Label] = []
        if run is not None:
            state = self._run(journal, run)
            if state.outcome:
                raise Conflict("The run is finished; declassify its session.", code="run_finished")
            streams.append(run_stream(run))
            labels.append(state.label)
            session = session or state.session
        if session is not None:
            self._mailbox(journal, session)
            streams.append(session_stream(session))
            labels.extend(event.label for event in journal.events(session_stream(session)))
        known = {source for label in labels for source in label.sources}
        if not sources or not known.issuperset(sources):
            raise Invalid(
                "None of what was read there has one of these sources.",
                code="sources_unknown",
                next_step="`lichen runs show RUN` names the sources of each record.",
            )
        return tuple(streams)

    def _run(self, journal: Journal, run: RunId) -> RunState:
        state = journal.run(run)
        if not state.n:
            raise NotFound("There is no such run in this scope.", code="run_unknown")
        return state

    # -- waits ---------------------------------------------------------------------------------------------------

    def allows_own(self, scope: Scope) -> bool:
        """Whether people of an environment may approve what they asked for themselves."""
        environment = self._services.environment(scope)
        return environment.is_development and environment.self_approval

    async def answer(
        self,
        scope: Scope,
        run: RunId,
        wait: WaitId,
        outcome: WaitOutcome,
        actor: Actor,
        *,
        digest: bytes,
        body: dict[str, Any] | None = None,
        ruling: e.Ruling | None = None,
    ) -> None:
        """Answers a wait; returns once the answer is durable. One that is not what the wait expects leaves it open.

        Raises NotFound, Denied (`may_not_answer`), Conflict (`wait_closed`, `digest_differs`), Expired, Invalid
        (`answer_invalid`, `answer_too_large`, `answer_unexpected` with the place).
        """
        journal = self._engine.journal(scope)
        state = self._run(journal, run)
        open_wait = self._open_wait(state, wait)
        by = journal.log.name(actor)
        if not may_answer(open_wait, actor, by, self_approval=self.allows_own(scope)):
            raise _may_not(open_wait, by)
        _check_answer(open_wait, outcome, digest, self._services.clock())
        if open_wait.kind in HALTING:
            await self.resume(scope, run, actor, ruling=ruling)
            return
        data = msgspec.json.encode(answer_to(open_wait.kind, body or {}))
        if len(data) > ANSWER_BYTES_MAX:
            raise Invalid("The answer is too large.", code="answer_too_large")
        if outcome == "answered":
            check_answer(expected_of(Act(self._services, journal, state), open_wait), body or {})
        parts = [("result", msgspec.json.encode((body or {}).get("result", {})))] if outcome == "happened" else []
        result = moves.as_contents(parts, state.subject)
        content = (Content("body", state.subject, data),)
        label = _label(self._services, state, open_wait, outcome, actor)
        is_own = open_wait.kind in ABOUT_EFFECTS and is_requester(open_wait, by)
        drafts = moves.close_wait(state, wait, outcome, by=by, body=content, result=result, label=label, is_own=is_own)
        appended = {run_stream(run): drafts}
        if state.session is not None and (mirrored := mirror(journal, state, drafts)):
            appended[session_stream(state.session)] = mirrored
        journal.append(_ruled(appended, run, ruling), actor=by, turn=state.turn)
        await journal.durable(run=run)

    def _open_wait(self, state: RunState, wait: WaitId) -> Wait:
        found = state.waits.get(wait)
        if found is not None:
            return found
        number = int(wait[1:]) if wait[1:].isdigit() else 0
        if wait.startswith("w") and 0 < number <= state.waits_made:
            raise _closed()
        raise NotFound("The run has no such wait.", code="wait_unknown")

    # -- shared --------------------------------------------------------------------------------------------------

    def _id(self, journal: Journal, kind: str, key: str | None, salt: str) -> str:
        if key is None:
            return self._services.new_id(kind)
        _check_key(key)
        return f"{kind}-{journal.log.digest(f'{kind}|{salt}|{key}'.encode()).hex()[:24]}"

    def _agent(self, name: AgentName) -> AgentDef:
        found = self._services.agents.get(name)
        if found is None:
            raise NotFound("There is no agent of this name.", code="agent_unknown")
        return found


def _ruled(appended: dict[StreamId, moves.Drafts], run: RunId, ruling: e.Ruling | None) -> dict[StreamId, moves.Drafts]:
    """The records with what the gate said of the act, which is the first that the run itself hears."""
    act, *others = appended[run_stream(run)]
    ruled = msgspec.structs.replace(act, control=msgspec.structs.replace(act.control, ruling=ruling))
    return {**appended, run_stream(run): (ruled, *others)}


def _merge(
    appended: dict[StreamId, moves.Drafts], more: Mapping[StreamId, moves.Drafts]
) -> dict[StreamId, moves.Drafts]:
    """Both, in their order where they are about one stream."""
    for stream, drafts in more.items():
        appended[stream] = (*appended.get(stream, ()), *drafts)
    return appended


def _check_address(address: bytes) -> None:
    if len(address) > ADDRESS_BYTES_MAX:
        raise Invalid(
            f"An address has {len(address)} bytes and may have {ADDRESS_BYTES_MAX}.",
            code="address_too_large",
            next_step="Keep what is larger with the channel, and send its key.",
        )


def _is_open(journal: Journal, question: Question) -> bool:
    return question.wait in journal.run(question.run).waits


def _closed() -> Conflict:
    return Conflict("This was answered already.", code="wait_closed", next_step="`lichen runs show RUN` says by whom.")


def _may_not(wait: Wait, by: str) -> Denied:
    if wait.kind in ABOUT_EFFECTS and is_requester(wait, by):
        return Denied("Whoever spoke for it may not decide it; somebody else of the role may.", code="may_not_answer")
    return Denied("This actor may not answer this.", code="may_not_answer")


def _check_answer(wait: Wait, outcome: WaitOutcome, digest: bytes, now_us: int) -> None:
    if outcome not in OUTCOMES[wait.kind]:
        raise Invalid(f"A wait of kind {wait.kind} is not answered with {outcome}.", code="answer_invalid")
    if digest != wait.digest:
        raise Conflict("The answer is about something else than what is asked.", code="digest_differs")
    if wait.expires_at_us is not None and now_us >= wait.expires_at_us:
        raise Expired("The time to answer is over.", code="wait_expired")


def _label(services: Services, state: RunState, wait: Wait, outcome: WaitOutcome, actor: Actor) -> Label:
    """The label of an answer: a result belongs to its tool, whoever brings it, and what a program brings to nobody."""
    call = state.calls.get(wait.call) if wait.call is not None else None
    if call is not None and outcome == "happened":
        return label_of(services, state, call, "ok")
    is_vouched_for = wait.kind != "external" or actor.kind in ("customer", "operator")
    return EMPTY if is_vouched_for else Label((EXTERNAL,))


def _subject(journal: Journal, actor: Actor) -> str:
    """The actor's pseudonym. Raises ContentErased: of somebody who was erased nothing new is written."""
    subject = journal.log.name(actor)
    if journal.is_erased(subject):
        raise ContentErased("This subject was erased, so nothing more is sealed for it.")
    return subject


def _speaker(mailbox: MailboxState, actor: Actor, name: str) -> str:
    """The pseudonym of whose words they are: of a channel's that vouches, the session's customer; else the actor's."""
    is_vouched_for = actor.kind != "customer" and speaks_as(actor) == "customer"
    return mailbox.subject if is_vouched_for else name


def _checked(text: str) -> bytes:
    """The text as it is kept. Raises Invalid (`message_empty`, `message_too_large`)."""
    said = text.encode()
    size = len(said)
    if not text.strip():
        raise Invalid("The message is empty.", code="message_empty")
    if size > min(MESSAGE_BYTES_MAX, TEXT_BYTES_MAX):
        raise Invalid(
            f"The message has {size} bytes; {MESSAGE_BYTES_MAX} are allowed.",
            code="message_too_large",
            next_step="Send it in shorter messages.",
        )
    return said


def _check_key(key: str) -> None:
    if not 0 < len(key) <= KEY_CHARACTERS_MAX:
        raise Invalid("An idempotency key has 1-256 characters.", code="key_invalid")


def _token(journal: Journal, key: str | None) -> str | None:
    """A caller's key as it may stand in a record: an HMAC, since people put names into keys."""
    if key is None:
        return None
    _check_key(key)
    return journal.log.digest(key.encode()).hex()
