"""The obligation `turn`: opens a session's next turn and starts its run; and how any run begins."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, talk
from lichen.core.deciders.mailbox import Queued, next_messages
from lichen.core.deciders.run import DECIDER
from lichen.core.ports.overrides import Overrides, Terms, both, read, sealed, terms
from lichen.core.ports.plan import Message
from lichen.core.words.content import Content
from lichen.core.words.ids import AgentName, MessageId, RunId, run_stream
from lichen.core.words.label import join
from lichen.core.words.limits import Limits
from lichen.core.words.scope import Actor, Scope
from lichen.engine.act import SessionAct
from lichen.engine.answers.messages import message
from lichen.engine.journal.labels import said_by
from lichen.engine.ports import NOBODY, Services, Whose
from lichen.engine.sends.sends import announced, refusal
from lichen.engine.sends.starts import opener, ruling_of, starting_turn


class Asked(NamedTuple):
    """In whose name a turn's run acts, and what whoever asked wants of it."""

    actor: Actor
    schema: bytes
    overrides: bytes


def open_turn(act: SessionAct) -> None:
    """Performs `turn`: opens the next turn and starts its run in one append, if policy lets one start."""
    services, journal, mailbox = act.services, act.journal, act.mailbox
    taken = next_messages(mailbox)
    person = opener(act)
    check = starting_turn(act, person)
    verdict = services.gate.decide(check)
    opened = e.TurnOpened(talk.next_turn(mailbox), RunId(services.new_id("run")), tuple(m.message for m in taken))
    if verdict.outcome != "allow":
        told = _refused(act, person, opened, verdict.public_reason)
        journal.append({act.stream: (e.Draft(opened), refusal(act, check, verdict), *told)}, turn=opened.turn)
        return
    stream = run_stream(opened.run)
    journal.log.begin(stream)
    said = [(each, act.contents(each.n)) for each in taken]
    schema = next((words["schema"] for _, words in reversed(said) if "schema" in words), b"")
    held = both(read(words["overrides"]) for _, words in said if "overrides" in words)
    whose = Whose(mailbox.id, mailbox.opened_us)
    under = _terms(services, journal.scope, mailbox.agent, held, whose)
    started = e.RunStarted(
        agent=mailbox.agent,
        subject=mailbox.subject,
        limits=under.limits,
        session=mailbox.id,
        turn=opened.turn,
        pins=pins(services, journal.scope, mailbox.agent, whose),
        requesters=tuple(sorted({mailbox.subject, *(m.by for m in taken)})),
        ruling=ruling_of(check, verdict),
        has_schema=bool(schema),
        only=under.only,
        team=mailbox.team,
    )
    first = _first(act, said, started, Asked(acting(mailbox.agent, person), schema, sealed(held)))
    journal.append({act.stream: (e.Draft(opened),), stream: (first,)}, turn=opened.turn)


def _first(
    act: SessionAct,
    said: Sequence[tuple[Queued, Mapping[str, bytes]]],
    started: e.RunStarted,
    asked: Asked,
) -> e.Draft:
    """The first record of a turn's run: what it was told, in whose name it acts, and what its answer is to fit."""
    messages = [message(m.role, words, m.by) for m, words in said]
    attributes = act.contents(0).get("attributes", b"")
    draft = start_draft(started, messages, asked.actor, attributes, asked.schema, asked.overrides)
    labels = [said_by(m.role, m.by, subject=act.subject) for m, _ in said]
    return msgspec.structs.replace(draft, label=functools.reduce(join, labels, draft.label))


def _refused(act: SessionAct, person: Actor, opened: e.TurnOpened, public: str) -> moves.Drafts:
    """The end of a turn whose run policy did not let start, and what the customer is told instead of an answer."""
    number, token = MessageId(f"o{act.mailbox.sent + 1}"), f"answer/{opened.run}"
    queued = e.MessageQueued(number, "answer", opened.turn, None, token)
    answer = e.Draft(queued, (Content("text", act.subject, (public or act.texts.denied).encode()),))
    sent = announced(act, acting(act.mailbox.agent, person), (answer,))
    return (*sent, e.Draft(e.TurnClosed(opened.turn, opened.run, "refused")))


def acting(agent: AgentName, person: Actor) -> Actor:
    """The agent as it acts for somebody."""
    return Actor("agent", agent, auth="system", on_behalf_of=person)


def start_draft(
    started: e.RunStarted,
    messages: list[Message],
    actor: Actor,
    attributes: bytes = b"",
    schema: bytes = b"",
    overrides: bytes = b"",
) -> e.Draft:
    """A run's first record. `schema` is what whoever asked wants the answer to fit, `overrides` what holds beside the
    definition of its agent."""
    parts = [("input", msgspec.json.encode(messages)), ("actor", msgspec.json.encode(actor))]
    parts += [("attributes", attributes), ("schema", schema), ("overrides", overrides)]
    return e.Draft(started, moves.as_contents(parts, started.subject))


def pins(services: Services, scope: Scope, agent: AgentName, whose: Whose = NOBODY) -> e.Pins:
    """What a run of these is pinned to."""
    definition = services.agents.get(agent, scope, whose)
    if definition is None:
        return e.Pins(decider=DECIDER)
    return e.Pins(definition.digest, definition.planner.digest, services.policy_digest(scope), DECIDER)


def _terms(services: Services, scope: Scope, agent: AgentName, held: Overrides, whose: Whose) -> Terms:
    definition = services.agents.get(agent, scope, whose)
    return terms(definition, held) if definition else Terms(Limits())
