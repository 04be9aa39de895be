"""What an obligation is performed with: the run it is about, and what is looked up of that run on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import Call, RunState
from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import Arguments, Beside, CallMeta, GivenAnswer, Tool
from lichen.core.speech.wording import Texts
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import CallId, RunId, SessionId, StreamId, idempotency_key, run_stream, session_stream
from lichen.core.words.scope import Actor
from lichen.engine.journal.attributes import attributes_of
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.labels import labelled
from lichen.engine.journal.whose import whose_run
from lichen.engine.ports import AgentDef, Services, agent_of
from lichen.tools.entrusted import Entrusted


class Act:
    """One piece of work on a run. `state` is the run as of the last look: after an await, look again."""

    def __init__(self, services: Services, journal: Journal, state: RunState) -> None:
        self.services = services
        self.journal = journal
        self.state = state
        self.stream = run_stream(state.id)
        self._agent: AgentDef | None = None
        self._session: SessionAct | None = None

    @classmethod
    def on(cls, services: Services, journal: Journal, run: RunId) -> Act:
        """An act on a run as it is now."""
        return Act(services, journal, journal.run(run))

    def on_run(self, run: RunId) -> Act:
        """An act on another run as it is now: a caller, a child."""
        return Act(self.services, self.journal, self.journal.run(run))

    def on_call(self, id: CallId) -> CallAct | None:
        """An act on a call of the run, None when that is over."""
        call = self.state.calls.get(id)
        return None if call is None else CallAct(self, call)

    def look(self) -> RunState:
        """The run as it is now."""
        self.state = self.journal.run(self.state.id)
        return self.state

    @property
    def agent(self) -> AgentDef | None:
        """The run's agent in the version that it began with, None when that is gone."""
        if self._agent is None:
            self._agent = agent_of(self.services, self.journal.scope, self.state)
        return self._agent

    @property
    def answer_type(self) -> AnswerType | None:
        """What the run's answer has to be: what whoever asked wants, else what its agent always gives. None where words
        will do. Raises ContentErased."""
        if not self.state.has_schema:
            return None if self.agent is None else self.agent.answers
        from lichen.tools.arguments.answer import SchemaAnswer  # pydantic, which few runs need here

        return SchemaAnswer(msgspec.json.decode(self.contents(0)["schema"], type=dict[str, Any]))

    @property
    def actor(self) -> Actor:
        """The run's agent, on behalf of whoever started it."""
        return self.journal.actor_of(self.state.id)

    @property
    def session(self) -> SessionAct | None:
        """An act on the run's session, None without one."""
        session = self.state.session
        if session is None:
            return None
        mailbox, known = self.journal.mailbox(session), self._session
        if known is None or known.mailbox is not mailbox:
            known = self._session = SessionAct(self.services, self.journal, mailbox)
        return known

    @property
    def subject(self) -> str:
        """Whose words the run holds, as a pseudonym."""
        return self.state.subject

    @property
    def texts(self) -> Texts:
        """What the runtime itself says in the run's session."""
        return self.services.wording(self.journal.scope).of(self.language)

    @property
    def language(self) -> str:
        """The language of the run's session; empty for the tenant's own."""
        session = self.state.session
        return "" if session is None else self.journal.mailbox(session).language

    def contents(self, n: int) -> Mapping[str, bytes]:
        """What the run's record `n` holds in words. Raises ContentErased."""
        return self.journal.log.contents(self.stream, n)

    # -- appending -----------------------------------------------------------------------------------------------

    def note(self, *drafts: e.Draft) -> None:
        """Appends to the run what the engine itself notes of it."""
        self.journal.append({self.stream: drafts})

    def say(self, drafts: moves.Drafts, session: moves.Drafts = ()) -> None:
        """Appends to the run what its agent did, labelled as made from what the run has read, and to its session what
        that hears of it."""
        appended = {self.stream: labelled(drafts, self.state.label)}
        if session and self.state.session is not None:
            appended[session_stream(self.state.session)] = session
        self.append(appended)

    def append(self, drafts: Mapping[StreamId, moves.Drafts]) -> None:
        """Appends as the run's agent to several streams or to none."""
        self.journal.append(drafts, actor=f"agent:{self.state.agent}", turn=self.state.turn)


class SessionAct:
    """One piece of work on a session, in which no run speaks."""

    def __init__(self, services: Services, journal: Journal, mailbox: MailboxState) -> None:
        self.services = services
        self.journal = journal
        self.mailbox = mailbox
        self.stream = session_stream(mailbox.id)

    @classmethod
    def on(cls, services: Services, journal: Journal, session: SessionId) -> SessionAct:
        """An act on a session as it is now."""
        return SessionAct(services, journal, journal.mailbox(session))

    @property
    def subject(self) -> str:
        """The customer, as a pseudonym."""
        return self.mailbox.subject

    @property
    def texts(self) -> Texts:
        """What the runtime itself says in the session."""
        return self.services.wording(self.journal.scope).of(self.mailbox.language)

    def contents(self, n: int) -> Mapping[str, bytes]:
        """What the session's record `n` holds in words. Raises ContentErased."""
        return self.journal.log.contents(self.stream, n)

    def note(self, *drafts: e.Draft) -> None:
        """Appends to the session what the engine itself notes of it."""
        self.journal.append({self.stream: drafts})


class CallAct(Act):
    """One piece of work on a call of a run. `call` is the call as of the last look that found it."""

    def __init__(self, act: Act, call: Call) -> None:
        super().__init__(act.services, act.journal, act.state)
        self.call = call
        self._agent = act._agent
        self._tool: Tool | None = None
        self._arguments: Arguments | None = None
        self.entrusted: Entrusted | None = None  # its tool with the secrets that it was handed, once it was
        self.withheld_late = 0

    def look_again(self) -> Call | None:
        """The call as it is now, None once it is over."""
        current = self.look().calls.get(self.call.id)
        if current is not None:
            self.call = current
        return current

    @property
    def tool(self) -> Tool:
        """The tool as the run began with it. Raises NotFound (`version_gone`, `tool_unavailable`)."""
        if self._tool is None:
            if (
                self.agent is None
                and self.services.agents.get(self.state.agent, self.journal.scope, whose_run(self.journal, self.state))
                is not None
            ):
                raise NotFound("The version of the agent that this run began with is gone.", code="version_gone")
            self._tool = self._of(self.agent)
        return self._tool

    def tool_by_now(self) -> Tool:
        """The tool as it is hosted, should the version that the run began with be gone: to look whether a call
        happened it will do. Raises NotFound (`tool_unavailable`)."""
        self._tool = self._of(
            self.agent
            or self.services.agents.get(self.state.agent, self.journal.scope, whose_run(self.journal, self.state))
        )
        return self._tool

    def _of(self, agent: AgentDef | None) -> Tool:
        tool = agent.tools.get(self.call.tool) if agent is not None else None
        if tool is None:
            raise NotFound("The tool this call was planned for is not there any more.", code="tool_unavailable")
        return tool

    @property
    def withheld(self) -> int:
        """How often the tool said a secret that it was handed."""
        return self.withheld_late + (0 if self.entrusted is None else self.entrusted.withheld)

    @property
    def arguments(self) -> Arguments:
        """The arguments the call was planned with: as they were decoded then, or by another process, as they were
        kept. Raises ContentErased."""
        if self._arguments is None:
            kept = self.contents(self.call.n)[f"{self.call.id}/args"]
            decoded = self.journal.seat(self.stream).arguments.get(self.call.id)
            self._arguments = decoded if decoded is not None else Arguments(kept)
        return self._arguments

    def meta(self, timeout_s: float, beside: Beside | None = None) -> CallMeta:
        """What the tool is told about this attempt, and what it may do besides."""
        state, call = self.state, self.call
        return CallMeta(
            scope=self.journal.scope,
            actor=self.actor,
            run=state.id,
            call=call.id,
            session=state.session,
            idempotency_key=idempotency_key(state.id, call.id),
            attempt=call.attempt,
            timeout_s=timeout_s,
            attributes=self._attributes(),
            turn=state.turn,
            label=state.label,
            answer=self._answer(),
            beside=beside,
            subject=state.subject,
            language=self.language,
        )

    def _answer(self) -> GivenAnswer | None:
        """What came of the last question of the tool: of what was said, the fields that it asked for."""
        call = self.call
        if call.answered not in ("answered", "declined", "expired"):
            return None
        asked = self.contents(call.asked_n)
        state = asked.get("state", b"")
        if call.answered != "answered":
            return GivenAnswer(call.answered, state=state)
        said = msgspec.json.decode(self.contents(call.answered_n).get("body", b"{}"), type=dict[str, Any])
        fields = msgspec.json.decode(asked.get("schema", b"{}"), type=dict[str, Any]).get("properties", {})
        return GivenAnswer(call.answered, msgspec.json.encode({k: v for k, v in said.items() if k in fields}), state)

    def _attributes(self) -> Mapping[str, str]:
        """Those of the run, and where the tool may keep files."""
        own, files = attributes_of(self.journal, self.state), self.services.files
        return own if files is None else {**own, "files": files(self.journal.scope)}
