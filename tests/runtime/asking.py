"""Every operation that may be asked of a runtime, and how to ask for it: one entry for each public method.

Tests are generated from this table. A method without an entry fails one of them, and so does one that does not ask.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pytest

from lichen.core.deciders.events import Ruling
from lichen.core.ports.secrets import Secret
from lichen.core.state.replies import ReplyScope
from lichen.core.words.ids import MessageId, RunId, SessionId
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope, Service
from lichen.gate.rules.schema import Action
from lichen.gate.simulation import Case
from lichen.runtime import Runtime
from lichen.runtime.access.access import About, Access
from lichen.runtime.operations.talk.conversation import Conversation
from lichen.runtime.operations.talk.feed import Feed
from lichen.runtime.operations.talk.session import NewMessage, Session
from lichen.runtime.operations.talk.turn import Turn
from tests.runtime.world import CUSTOMER, SCOPE

OTHER = Scope("globex", "dev")
OPS = Operator("ops", ("operator",))
CASE = Case("till.clerk", "till.pay", Customer("customer-7"), {"amount": 5})
DIGEST = "0" * 64
FILE = {"attachments": [{"contentUrl": "data:text/plain;base64,aGVsbG8=", "name": "hello.txt"}]}
AGENT = Actor("agent", "till.clerk", on_behalf_of=OPS)


class Asker(NamedTuple):
    """Somebody who asks, in a scope."""

    name: str
    scope: Scope
    actor: Actor


ASKERS = (
    Asker("the customer whose it is", SCOPE, CUSTOMER),
    Asker("another customer", SCOPE, Customer("customer-8")),
    Asker("an operator of the tenant", SCOPE, OPS),
    Asker("an operator of another tenant", OTHER, Operator("their-ops", ("operator",))),
    Asker("a service", SCOPE, Service("crm")),
    Asker("a channel", SCOPE, Service("post", ("channel",))),
    Asker("an agent", SCOPE, AGENT),
    Asker("the system", SCOPE, SYSTEM),
)


REPLY = ReplyScope("chat-1")


class World(NamedTuple):
    """A runtime with something of everything: a session, a run that is finished, one that waits for approval."""

    runtime: Runtime
    session: SessionId
    done: RunId
    held: RunId
    access: Access
    """What the runtime's own operations ask."""
    who: Actor = CUSTOMER
    """Whose session it is."""

    def session_of(self, asker: Asker) -> Session:
        """A handle that nobody was asked for: its methods must ask by themselves."""
        return Session(self.access, self.runtime.engine, asker.scope, self.session, asker.actor)

    async def turn_of(self, asker: Asker) -> Turn:
        """The turn of the session's first message, as the asker would hold it."""
        session = self.runtime.sessions.get(SCOPE, self.session, self.who)
        said = await session.say("hello", key="one", data=FILE)
        given = (self.access, self.runtime.engine, asker.scope, self.session, asker.actor)
        return Turn(*given, receipt=said.receipt)

    def feed_of(self, asker: Asker) -> Feed:
        """A run's feed that nobody was asked for."""
        return Feed(self.access, self.runtime.engine.journal(asker.scope), self.done, asker.actor, with_session=False)


@dataclass(frozen=True)
class Entry:
    """How to ask for an operation. `is_owned`: it is about something that is somebody's; `waits`: for what may never
    come; `says`: gives words, which are for whose they are, channels, and who may read contents;
    `also` is asked for besides."""

    action: Action
    call: Callable[[World, Asker], Any]
    is_owned: bool = False
    waits: bool = False
    says: bool = False
    also: Action | None = None
    kind: str = "approval"
    """Of which kind the wait is that it answers."""


def _first(records: AsyncIterator[Any]) -> Any:
    return anext(records)  # type: ignore[call-overload]


async def _drained(parts: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in parts]


ENTRIES: dict[str, Entry] = {
    "Sessions.open": Entry("session.open", lambda w, a: w.runtime.sessions.open(a.scope, a.actor)),
    "Sessions.list": Entry("session.list", lambda w, a: w.runtime.sessions.list(a.scope, a.actor)),
    "Sessions.get": Entry("session.read", lambda w, a: w.runtime.sessions.get(a.scope, w.session, a.actor), True),
    "Sessions.permit": Entry(
        "session.open", lambda w, a: w.runtime.sessions.permit(a.scope, a.actor, agent="till.clerk", channel="api")
    ),
    "Sessions.found": Entry(
        "session.read",
        lambda w, a: w.runtime.sessions.found(a.scope, a.actor, agent="till.clerk", channel="api", key="none"),
    ),
    "Session.say": Entry("session.say", lambda w, a: w.session_of(a).say("more"), True),
    "Sessions.say": Entry(
        "session.say", lambda w, a: _only(w.runtime.sessions.say([NewMessage(w.session_of(a), "more")])), True
    ),
    "Session.prepared": Entry(
        "session.say", lambda w, a: w.session_of(a).prepared(NewMessage(w.session_of(a), "more")), True
    ),
    "Session.ask": Entry("session.say", lambda w, a: w.session_of(a).ask("more", answers=int), True),
    "Session.close": Entry("session.close", lambda w, a: w.session_of(a).close(), True),
    "Session.declassify": Entry(
        "session.declassify", lambda w, a: w.session_of(a).declassify(("third_party:web",), reason="ours"), True
    ),
    "Session.is_owing": Entry("session.read", lambda w, a: w.session_of(a).is_owing(), True),
    "Session.asked": Entry("session.read", lambda w, a: w.session_of(a).asked(), True),
    "Session.taken": Entry("session.read", lambda w, a: w.session_of(a).taken("none"), True),
    "Session.pending": Entry("session.read", lambda w, a: w.session_of(a).pending(), True, says=True),
    "Session.delivered": Entry("session.read", lambda w, a: w.session_of(a).delivered(MessageId("o1")), True),
    "Session.file": Entry("session.read", lambda w, a: w.session_of(a).file(1, 0), True, says=True),
    "Session.artifact": Entry("session.read", lambda w, a: w.session_of(a).artifact(1, 0), True, says=True),
    "Session.detail": Entry("session.read", lambda w, a: w.session_of(a).detail(), True),
    "Session.summary": Entry("session.read", lambda w, a: w.session_of(a).summary(), True),
    "Session.records": Entry("session.read", lambda w, a: w.session_of(a).records(), True),
    "Session.changed": Entry("session.read", lambda w, a: w.session_of(a).changed(), True, waits=True),
    "Session.news": Entry("session.read", lambda w, a: w.session_of(a).news(), True, waits=True),
    "Conversation.page": Entry(
        "session.read", lambda w, a: w.session_of(a).conversation.page(0, messages_max=9, bytes_max=99), True, says=True
    ),
    "Conversation.told": Entry("session.read", lambda w, a: w.session_of(a).conversation.told(), True, says=True),
    "Conversation.confirm": Entry("session.read", lambda w, a: w.session_of(a).conversation.confirm(1), True),
    "Conversation.partials": Entry(
        "session.read", lambda w, a: _first(w.session_of(a).conversation.partials(10**9)), True, waits=True, says=True
    ),
    "Turn.run": Entry("session.read", lambda w, a: _then(w.turn_of(a), lambda turn: turn.run()), True),
    "Turn.result": Entry("session.read", lambda w, a: _then(w.turn_of(a), lambda turn: turn.result()), True, says=True),
    "Turn.told": Entry("session.read", lambda w, a: _then(w.turn_of(a), lambda turn: turn.told()), True, says=True),
    "Turn.partials": Entry(
        "session.read", lambda w, a: _then(w.turn_of(a), lambda turn: _drained(turn.partials())), True, says=True
    ),
    "Turn.records": Entry("run.read", lambda w, a: _then(w.turn_of(a), lambda turn: _first(turn.records())), True),
    "Runs.start": Entry("run.start", lambda w, a: w.runtime.runs.start(a.scope, "till.clerk", "hello", a.actor)),
    "Runs.result": Entry("run.result", lambda w, a: w.runtime.runs.result(a.scope, w.done, a.actor), True, says=True),
    "Runs.answer": Entry("run.result", lambda w, a: w.runtime.runs.answer(a.scope, w.done, a.actor), True, says=True),
    "Runs.outcome": Entry("run.result", lambda w, a: w.runtime.runs.outcome(a.scope, w.done, a.actor), True),
    "Runs.rest": Entry("run.result", lambda w, a: w.runtime.runs.rest(a.scope, w.done, a.actor), True),
    "Runs.list": Entry("run.read", lambda w, a: w.runtime.runs.list(a.scope, a.actor)),
    "Runs.show": Entry("run.read", lambda w, a: w.runtime.runs.show(a.scope, w.done, a.actor), True),
    "Runs.explain": Entry("run.read", lambda w, a: w.runtime.runs.explain(a.scope, w.done, a.actor), True),
    "Runs.replay": Entry("run.read", lambda w, a: w.runtime.runs.replay(a.scope, w.done, a.actor), True),
    "Runs.trace": Entry(
        "run.read", lambda w, a: w.runtime.runs.trace(a.scope, w.done, a.actor), True, also="run.contents"
    ),
    "Runs.pieces": Entry("run.read", lambda w, a: w.runtime.runs.pieces(a.scope, w.done, a.actor), True),
    "Runs.partials": Entry(
        "run.result", lambda w, a: w.runtime.runs.partials(a.scope, w.done, a.actor), True, says=True
    ),
    "Runs.follow": Entry("run.read", lambda w, a: w.runtime.runs.follow(a.scope, w.done, a.actor), True),
    "Runs.declassify": Entry(
        "run.declassify",
        lambda w, a: w.runtime.runs.declassify(a.scope, w.held, ("third_party:web",), a.actor, reason="ours"),
        True,
    ),
    "Runs.cancel": Entry("run.cancel", lambda w, a: w.runtime.runs.cancel(a.scope, w.held, a.actor), True),
    "Runs.pause": Entry("run.pause", lambda w, a: w.runtime.runs.pause(a.scope, w.held, a.actor), True),
    "Runs.preempt": Entry("run.pause", lambda w, a: w.runtime.runs.preempt(a.scope, w.held, a.actor), True),
    "Runs.resume": Entry("run.resume", lambda w, a: w.runtime.runs.resume(a.scope, w.held, a.actor), True),
    "Feed.last": Entry("run.read", lambda w, a: w.feed_of(a).last(), True),
    "Feed.records": Entry("run.read", lambda w, a: _first(w.feed_of(a).records(0)), True),
    "Feed.is_end": Entry("run.read", lambda w, a: w.feed_of(a).is_end(_record(w)), True),
    "Secrets.list": Entry("secret.read", lambda w, a: w.runtime.secrets.list(a.scope, a.actor)),
    "Secrets.set": Entry("secret.set", lambda w, a: w.runtime.secrets.set(a.scope, "a", Secret("value"), a.actor)),
    "Secrets.rotate": Entry("secret.set", lambda w, a: w.runtime.secrets.rotate(a.scope, "a", Secret("v"), a.actor)),
    "Secrets.mark": Entry("secret.set", lambda w, a: w.runtime.secrets.mark(a.scope, "a", Secret("v"), a.actor)),
    "Secrets.remove": Entry("secret.remove", lambda w, a: w.runtime.secrets.remove(a.scope, "a", a.actor)),
    "Waits.list": Entry("wait.read", lambda w, a: w.runtime.waits.list(a.scope, a.actor)),
    "Waits.show": Entry("wait.read", lambda w, a: w.runtime.waits.show(a.scope, f"{w.held}.w1", a.actor), True),
    "Waits.history": Entry("wait.read", lambda w, a: w.runtime.waits.history(a.scope, a.actor)),
    "Waits.closed": Entry("wait.read", lambda w, a: w.runtime.waits.closed(a.scope, f"{w.held}.w1", a.actor), True),
    "Waits.count": Entry("wait.read", lambda w, a: w.runtime.waits.count(a.scope, a.actor)),
    "Waits.answerer": Entry("wait.read", lambda w, a: w.runtime.waits.answerer(a.scope, f"{w.held}.w1", a.actor), True),
    "Waits.answer": Entry(
        "wait.answer", lambda w, a: w.runtime.waits.answer(a.scope, f"{w.held}.w1", "denied", a.actor, body={}), True
    ),
    "Waits.approve": Entry("wait.answer", lambda w, a: w.runtime.waits.approve(a.scope, f"{w.held}.w1", a.actor), True),
    "Waits.deny": Entry("wait.answer", lambda w, a: w.runtime.waits.deny(a.scope, f"{w.held}.w1", a.actor), True),
    "Replies.expect": Entry(
        "wait.answer", lambda w, a: w.runtime.replies.expect(a.scope, f"{w.held}.w1", REPLY, a.actor), True
    ),
    "Replies.find": Entry("wait.answer", lambda w, a: w.runtime.replies.find(a.scope, REPLY, a.actor), kind="external"),
    "Replies.bring": Entry(
        "wait.answer", lambda w, a: w.runtime.replies.bring(a.scope, REPLY, a.actor, result={}), kind="external"
    ),
    "Waits.waiting": Entry("wait.read", lambda w, a: w.runtime.waits.waiting(a.scope, a.actor)),
    "Waits.news": Entry("wait.read", lambda w, a: _first(w.runtime.waits.news(a.scope, a.actor))),
    "Handovers.list": Entry("wait.read", lambda w, a: w.runtime.handovers.list(a.scope, a.actor)),
    "Handovers.show": Entry("wait.read", lambda w, a: w.runtime.handovers.show(a.scope, f"{w.held}.w1", a.actor), True),
    "Handovers.take": Entry(
        "wait.answer", lambda w, a: w.runtime.handovers.take(a.scope, f"{w.held}.w1", a.actor), True
    ),
    "Handovers.reply": Entry(
        "wait.answer", lambda w, a: w.runtime.handovers.reply(a.scope, f"{w.held}.w1", "hello", a.actor), True
    ),
    "Handovers.give_back": Entry(
        "wait.answer", lambda w, a: w.runtime.handovers.give_back(a.scope, f"{w.held}.w1", a.actor), True
    ),
    "Records.page": Entry("log.read", lambda w, a: w.runtime.records.page(a.scope, a.actor)),
    "Records.after": Entry("log.read", lambda w, a: w.runtime.records.after(a.scope, a.actor, 10**9), waits=True),
    "Records.position": Entry("log.read", lambda w, a: w.runtime.records.position(a.scope, a.actor)),
    "Proofs.heads": Entry("log.verify", lambda w, a: w.runtime.proofs.heads(a.scope, a.actor, limit=1)),
    "Proofs.signed": Entry("log.verify", lambda w, a: w.runtime.proofs.signed(a.scope, a.actor, limit=1)),
    "Proofs.verify": Entry("log.verify", lambda w, a: w.runtime.proofs.verify(a.scope, a.actor)),
    "Proofs.export": Entry("log.export", lambda w, a: w.runtime.proofs.export(a.scope, a.actor, run=w.done)),
    "Proofs.backup": Entry("log.backup", lambda w, a: w.runtime.proofs.backup(a.actor, w.runtime.home / "copy")),
    "People.erase": Entry("log.erase", lambda w, a: w.runtime.people.erase(a.scope, Customer("nobody"), a.actor)),
    "Keys.issue": Entry("key.issue", lambda w, a: w.runtime.keys.issue(a.scope, Service("till"), a.actor)),
    "Keys.list": Entry("key.read", lambda w, a: w.runtime.keys.list(a.scope, a.actor)),
    "Keys.revoke": Entry("key.revoke", lambda w, a: w.runtime.keys.revoke(a.scope, "00000000", a.actor)),
    "Letters.list": Entry("letter.read", lambda w, a: w.runtime.letters.list(a.scope, a.actor)),
    "Letters.counts": Entry("letter.read", lambda w, a: w.runtime.letters.counts(a.scope, a.actor)),
    "Letters.show": Entry("letter.read", lambda w, a: w.runtime.letters.show(a.scope, "letter-1", a.actor)),
    "Letters.replay": Entry("letter.replay", lambda w, a: w.runtime.letters.replay(a.scope, "letter-1", a.actor)),
    "Letters.drop": Entry("letter.drop", lambda w, a: w.runtime.letters.drop(a.scope, "letter-1", a.actor)),
    "Letters.delivered": Entry("letter.drop", lambda w, a: w.runtime.letters.delivered(a.scope, "letter-1", a.actor)),
    "Stops.set": Entry("stop.set", lambda w, a: w.runtime.stops.set(a.scope, "tool", "till.pay", a.actor)),
    "Stops.clear": Entry("stop.clear", lambda w, a: w.runtime.stops.clear(a.scope, "tool", "till.pay", a.actor)),
    "Stops.list": Entry("stop.read", lambda w, a: w.runtime.stops.list(a.scope, a.actor)),
    "ServerTools.list": Entry("tool.read", lambda w, a: w.runtime.tools.list(a.scope, a.actor)),
    "ServerTools.servers": Entry("tool.read", lambda w, a: w.runtime.tools.servers(a.scope, a.actor)),
    "ServerTools.waiting": Entry("tool.read", lambda w, a: w.runtime.tools.waiting(a.scope, a.actor)),
    "ServerTools.show": Entry("tool.read", lambda w, a: w.runtime.tools.show(a.scope, "files.read", a.actor)),
    "ServerTools.look": Entry("tool.look", lambda w, a: w.runtime.tools.look(a.scope, "files", a.actor)),
    "SignIns.keep": Entry("tool.login", lambda w, a: w.runtime.sign_ins.keep(a.scope, "files", b"{}", a.actor)),
    "ToolSearch.search": Entry("tool.read", lambda w, a: w.runtime.tool_search.search(a.scope, "pay", a.actor)),
    "Submissions.submit": Entry(
        "tool.submit", lambda w, a: w.runtime.submissions.submit(a.scope, "files", (), a.actor)
    ),
    "ServerTools.accept": Entry(
        "tool.review", lambda w, a: w.runtime.tools.accept(a.scope, "files.read", DIGEST, a.actor)
    ),
    "ServerTools.reject": Entry(
        "tool.review", lambda w, a: w.runtime.tools.reject(a.scope, "files.read", DIGEST, a.actor)
    ),
    "Platforms.list": Entry("channel.read", lambda w, a: w.runtime.platforms.list(a.scope, a.actor)),
    "ChannelHealths.list": Entry("channel.read", lambda w, a: w.runtime.channel_health.list(a.scope, a.actor)),
    "Conversations.list": Entry("session.list", lambda w, a: w.runtime.conversations.list(a.scope, a.actor)),
    "Platforms.check": Entry("channel.check", lambda w, a: w.runtime.platforms.check(a.scope, "pager", a.actor)),
    "Platforms.check_candidate": Entry(
        "channel.check", lambda w, a: w.runtime.platforms.check_candidate(a.scope, "pager", a.actor, secrets={})
    ),
    "Platforms.register": Entry(
        "channel.register",
        lambda w, a: w.runtime.platforms.register(a.scope, "pager", a.actor, public_url="https://shop.example"),
    ),
    "Platforms.unregister": Entry(
        "channel.register", lambda w, a: w.runtime.platforms.unregister(a.scope, "pager", a.actor)
    ),
    "Platforms.test": Entry("channel.test", lambda w, a: w.runtime.platforms.test(a.scope, "pager", a.actor, to="1")),
    "Telling.tell": Entry(
        "session.tell", lambda w, a: w.runtime.telling.tell(a.scope, w.session, "Hello.", a.actor), is_owned=True
    ),
    "Telling.begin": Entry("session.tell", lambda w, a: w.runtime.telling.begin(a.scope, "post:1", "Hi.", a.actor)),
    "Schedules.list": Entry("schedule.read", lambda w, a: w.runtime.schedules.list(a.scope, a.actor)),
    "Schedules.show": Entry("schedule.read", lambda w, a: w.runtime.schedules.show(a.scope, "nightly", a.actor)),
    "Schedules.pause": Entry("schedule.pause", lambda w, a: w.runtime.schedules.pause(a.scope, "nightly", a.actor)),
    "Schedules.resume": Entry("schedule.resume", lambda w, a: w.runtime.schedules.resume(a.scope, "nightly", a.actor)),
    "Schedules.run": Entry("schedule.run", lambda w, a: w.runtime.schedules.run(a.scope, "nightly", a.actor)),
    "Schedules.replay": Entry(
        "schedule.replay", lambda w, a: w.runtime.schedules.replay(a.scope, "nightly", "1", a.actor)
    ),
    "Schedules.fire": Entry(
        "schedule.fire", lambda w, a: w.runtime.schedules.fire(a.scope, "nightly", a.actor, key="one")
    ),
    "Reload.__call__": Entry("policy.reload", lambda w, a: w.runtime.reload(a.scope, a.actor)),
    "Policies.reload": Entry("policy.reload", lambda w, a: w.runtime.policies.reload(a.scope, a.actor)),
    "Policies.check": Entry("policy.check", lambda w, a: w.runtime.policies.check(a.scope, a.actor)),
    "Policies.show": Entry("policy.read", lambda w, a: w.runtime.policies.show(a.scope, a.actor)),
    "Policies.person": Entry("policy.read", lambda w, a: w.runtime.policies.person(a.scope, "ops", a.actor)),
    "Policies.cases": Entry("policy.read", lambda w, a: w.runtime.policies.cases(a.scope, a.actor)),
    "Policies.why": Entry("policy.read", lambda w, a: w.runtime.policies.why(a.scope, CASE, a.actor)),
    "MeterBooks.list": Entry("run.read", lambda w, a: w.runtime.meters.list(a.scope, a.actor)),
    "CostBooks.show": Entry("run.read", lambda w, a: w.runtime.costs.show(a.scope, a.actor)),
    "Evals.list": Entry("eval.list", lambda w, a: w.runtime.evals.list(a.scope, a.actor)),
    "Evals.show": Entry("eval.list", lambda w, a: w.runtime.evals.show(a.scope, a.actor, "eval-00000000")),
    "Evals.read": Entry(
        "eval.read", lambda w, a: w.runtime.evals.read(a.scope, a.actor, "eval-00000000"), also="run.contents"
    ),
    "Agents.list": Entry("agent.list", lambda w, a: w.runtime.agents.list(a.scope, a.actor)),
    "Agents.offered": Entry("agent.list", lambda w, a: w.runtime.agents.offered(a.scope, a.actor)),
    "Agents.source": Entry("agent.read", lambda w, a: w.runtime.agents.source(a.scope, "till.clerk", a.actor)),
    "PromptBook.list": Entry("agent.read", lambda w, a: w.runtime.prompts.list(a.scope, a.actor)),
    "PromptBook.show": Entry("agent.read", lambda w, a: w.runtime.prompts.show(a.scope, "none", a.actor)),
    "Agents.all": Entry("agent.read", lambda w, a: w.runtime.agents.all(a.scope, a.actor)),
    "Agents.picture": Entry("agent.read", lambda w, a: w.runtime.agents.picture(a.scope, "till.clerk", a.actor)),
    "Agents.show": Entry("agent.read", lambda w, a: w.runtime.agents.show(a.scope, "till.clerk", a.actor)),
    "Admin.health": Entry("health.read", lambda w, a: w.runtime.admin.health(a.scope, a.actor)),
    "Admin.load": Entry("health.read", lambda w, a: w.runtime.admin.load(a.scope, a.actor)),
    "Admin.stop": Entry("process.stop", lambda w, a: w.runtime.admin.stop(a.scope, a.actor)),
}
"""Each operation, and how to ask for it."""


async def _only(outcomes: Any) -> Any:
    """What became of the only message; raises what became of it."""
    (outcome,) = await outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _then(made: Any, ask: Callable[[Any], Any]) -> Any:
    return await ask(await made)


def _record(world: World) -> Any:
    return world.runtime.runs.show(SCOPE, world.done, SYSTEM).records[-1]


VALUES = ("Turn.disposition",)  # of what the holder was told already


def operations(runtime: Runtime) -> Iterator[str]:
    """`Class.method` of every public method and property of the runtime's operations and of their handles."""
    late = [name for name, each in inspect.getmembers_static(Runtime) if isinstance(each, cached_property)]
    held: list[object] = [*vars(runtime).values(), *(getattr(runtime, name) for name in late)]
    rooms: set[type] = {each.__class__ for each in held if _is_room(each.__class__)}
    for kind in sorted({*rooms, Session, Conversation, Turn, Feed}, key=lambda each: each.__name__):
        for name, member in inspect.getmembers_static(kind):
            if (name == "__call__" or not name.startswith("_")) and (callable(member) or isinstance(member, property)):
                yield f"{kind.__name__}.{name}"


def _is_room(kind: type) -> bool:
    return kind.__module__.startswith("lichen.runtime.operations.")


class Recorder:
    """Remembers what was asked, and lets the question go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Action, Scope, Actor]] = []
        ask = Access.ask

        def recording(access: Access, action: Action, scope: Scope, actor: Actor, about: About, **more: Any) -> Ruling:
            self.asked.append((action, scope, actor))
            return ask(access, action, scope, actor, about, **more)

        monkeypatch.setattr(Access, "ask", recording)
