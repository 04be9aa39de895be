"""Runs: started without a session, and steered with every run that they started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.overrides import NONE, Overrides, Terms, check, terms
from lichen.core.ports.overrides import sealed as kept
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import AgentName, RunId, StreamId, run_stream
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.scope import speaks_as
from lichen.engine.acts.turn import acting, pins, start_draft
from lichen.engine.answers.messages import encoded, message
from lichen.engine.intake.keys import id_of, of_team
from lichen.engine.intake.request import Request
from lichen.engine.intake.sizes import text_of
from lichen.engine.journal.attributes import check_needs, sealed
from lichen.engine.journal.tree import cancel_tree, halt_tree, resume_tree
from lichen.engine.ports import Whose

_MAY_RESUME: dict[str, tuple[str, ...]] = {"pause": ("operator", "service"), "preempt": ("system", "operator")}


async def start(
    request: Request,
    agent: AgentName,
    text: str,
    *,
    key: str | None = None,
    input: Any = None,
    attributes: Mapping[str, str] = {},
    schema: bytes = b"",
    overrides: Overrides = NONE,
    label: Label = EMPTY,
    team: str = "",
    beside: Callable[[RunId], Mapping[StreamId, moves.Drafts]] = lambda run: {},
) -> RunId:
    """Starts one run without a session; returns once it is durable.

    `input` is any JSON; with it the text may be empty. `attributes` are for the run's planner and tools. `schema` is
    what the answer is to fit. `overrides` leave it fewer tools and narrower limits than its agent has. `label` is of
    what its input was made from, `team` whose rules of access bind it; what is said `beside` is appended with its start
    or not at all.

    Raises NotFound (`agent_unknown`), Invalid (`message_empty`, `message_too_large`, `input_invalid`,
    `input_too_large`, `attributes_invalid`, `attributes_missing`, `overrides_invalid`, `key_invalid`), Conflict
    (`key_reused`), Unavailable.
    """
    contents = {"text": text_of(text) if text or input is None else b"", "data": encoded(input)}
    own = sealed(attributes)
    journal, actor = request.journal, request.actor
    run = RunId(id_of(request, "run", key, salt=f"{actor.kind}:{actor.id}:{agent}{of_team(team)}"))
    version = request.agent(agent, Whose(run))
    check_needs(version, *attributes)
    check(version, overrides)
    under = terms(version, overrides)
    await request.admitted()
    stream = run_stream(run)
    if key is None:
        journal.log.begin(stream)
    messages = [message(speaks_as(actor), contents, request.by)]
    if journal.state(stream).n == 0:
        first = msgspec.structs.replace(_started(request, agent, run, under), has_schema=bool(schema), team=team)
        started = start_draft(first, messages, acting(agent, actor), own, schema, kept(overrides))
        labelled = msgspec.structs.replace(started, label=label)
        request.append({stream: (labelled,), **beside(run)})
    elif journal.log.contents(stream, 0).get("input") != msgspec.json.encode(messages):
        raise Conflict("This idempotency key was used for another run.", code="key_reused")
    await journal.durable(run=run)
    return run


def _started(request: Request, agent: AgentName, run: RunId, under: Terms) -> e.RunStarted:
    subject = request.subject
    return e.RunStarted(
        agent,
        subject,
        under.limits,
        pins=pins(request.services, request.scope, agent, Whose(run)),
        requesters=(subject,),
        ruling=request.ruling,
        only=under.only,
    )


async def cancel(request: Request, run: RunId, *, code: str = "requested") -> None:
    """Ends a run and the runs it started: what has not started never will, what started is settled. Cancelling
    twice is no error. Raises NotFound (`run_unknown`), Unavailable, as all that follow."""
    state = request.run(run)
    appended = cancel_tree(request.journal, state, code, f"{request.actor.kind}-{state.n}")
    if appended:
        request.append_to(state, appended)
    await request.journal.durable(run=run)


async def pause(request: Request, run: RunId) -> None:
    """Halts a run and the runs it started, each at its next step boundary. Raises Conflict (`run_halted`)."""
    await _halt(request, run, "pause")


async def preempt(request: Request, run: RunId) -> None:
    """Sets a run aside for more urgent work: nothing new starts, what runs may end, then it leaves memory and its
    time stands still until `resume`. Raises Conflict (`run_halted`)."""
    await _halt(request, run, "preempt")


async def _halt(request: Request, run: RunId, kind: Literal["pause", "preempt"]) -> None:
    state = request.run(run)
    appended = halt_tree(request.journal, state, kind, _MAY_RESUME[kind], request.by)
    if not appended:
        raise Conflict("The run is finished or halted already.", code="run_halted")
    request.append_to(state, appended)
    await request.journal.durable(run=run)


async def resume(request: Request, run: RunId) -> None:
    """Ends a pause or preemption, of the runs it started too; calls that were allowed before are decided again.

    Raises Conflict (`run_not_paused`, `parent_paused`).
    """
    journal, state = request.journal, request.run(run)
    if not state.is_halted:
        raise Conflict("The run is not paused.", code="run_not_paused")
    if state.parent is not None and (parent := journal.run(state.parent.run)).is_halted:
        raise Conflict(
            "The run that started this one is paused.",
            code="parent_paused",
            next_step=f"Run `lichen runs resume {parent.id}`.",
        )
    request.append_to(state, resume_tree(journal, state, request.by))
    await journal.durable(run=run)
