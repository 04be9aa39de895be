"""The obligation `plan`: ask the planner, check what it says, append it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.model import HELD, Delta, ModelError
from lichen.core.ports.overrides import read
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.ports.policy import Check, Verdict
from lichen.core.speech.wording import public_text
from lichen.core.words import faults
from lichen.core.words.errors import LichenError
from lichen.core.words.failure import Failure
from lichen.core.words.label import join
from lichen.engine.act import Act
from lichen.engine.acts.ahead import with_what_follows
from lichen.engine.asks.asker import Asker
from lichen.engine.asks.lost import settle_lost
from lichen.engine.asks.remembering import remembering
from lichen.engine.asks.room import RunLimit
from lichen.engine.brief.asking import plan_input
from lichen.engine.drafts.handed import check_asks_once
from lichen.engine.drafts.held import model_approval
from lichen.engine.drafts.planned import Made, append_plan, bill, check_roles, validate
from lichen.engine.drafts.showing import may_show
from lichen.engine.drafts.telling import release
from lichen.engine.drafts.valued import sentence_of, valued
from lichen.engine.drafts.worded import worded_plan
from lichen.engine.journal.whose import whose_run
from lichen.engine.pace.deltas import Partial
from lichen.engine.pace.pieces import Piece
from lichen.engine.pace.step import Within
from lichen.engine.ports import AgentDef
from lichen.engine.sends.entering import Entering
from lichen.engine.sends.failures import sealed, told
from lichen.engine.sends.sends import ruled
from lichen.tools.failure import failure_of

OVER_BUDGET: Final = "model_budget_exceeded"
FINAL: Final = (
    "answer_missing",
    "guardrail_tripped",
    "model_denied",
    "own_unsupported",
    "replay_diverged",
    "secret_refused",
)  # a further attempt would end the same


async def plan(act: Act, *, may_begin: Callable[[], bool]) -> None:
    """Performs `plan`: one attempt, recorded whatever comes of it. `may_begin`: whether calls are still begun."""
    owed = act.state
    if settle_lost(act) and not act.state.wants_plan(owed.step, owed.plan_attempt):
        return  # it was this attempt that was lost: the next one is owed
    state, agent, asker = act.state, act.agent, Asker(act)
    if agent is None:
        code = (
            "version_gone"
            if act.services.agents.get(state.agent, act.journal.scope, whose_run(act.journal, state)) is not None
            else "agent_unknown"
        )
        _fail(act, code, asker, is_final=True)
        return
    if not agent.planner.pure:
        asker.begin()
    if state.plan_failures:
        asker.wait()
        await _back_off(act)
    entering = Entering(act)
    try:
        input = plan_input(
            act,
            agent,
            now_us=act.services.clock(),
            model=asker,
            handed=asker.handed,
            may_remember=remembering(act, asker),
            may_enter=entering.may,
        )
        if agent.planner.pure:  # it waits for nothing, so nothing has to stop it
            answer = await agent.planner.plan(input)
        else:
            answer = await _ask(act, agent, input, waits=asker.wait)
        asker.check_held()  # whatever the planner made of it
        validate(answer, state)
        check_roles(answer, agent)
        answer = worded_plan(act, valued(act, answer))
        check_asks_once(act, answer)
    except TimeoutError:
        return  # the run's own deadline is about to fire and says what follows
    except Exception as error:  # noqa: BLE001 - a planner may raise anything; the attempt is recorded as failed
        code = error.code if isinstance(error, LichenError | ModelError) else "planner_error"
        if asker.held is not None:
            _hold(act, asker, *asker.held)
        else:
            _retry_or_fail(act, code, asker, error)
    else:
        faults.hit("plan.after")
        made = _made(asker, answer)._replace(access=entering.digest, refused=entering.refusals())
        append_plan(act, agent, made, partial(with_what_follows, may_begin=may_begin))


async def _ask(act: Act, agent: AgentDef, input: PlanInput, *, waits: Callable[[], None]) -> Plan:
    """What the planner says. `waits` is called as soon as it does not say it at once. Raises TimeoutError, and
    LichenError (`plan_timed_out`) where the run is held to a time for each plan."""
    left_s, plan_s = input.left.time_s + 1.0, read(act.journal.overrides_of(act.state.id)).plan_s
    limit = Within(left_s if plan_s is None else min(left_s, plan_s), waits=waits)  # the run's own deadline is first
    try:
        with _streaming(act, input) as streamed:
            return await limit.of(agent.planner.plan(streamed))
    except TimeoutError:
        if plan_s is None or plan_s >= left_s or not limit.is_over:
            raise
        raise LichenError("The plan took longer than each plan of this run may.", code="plan_timed_out") from None


@contextmanager
def _streaming(act: Act, input: PlanInput) -> Generator[PlanInput]:
    """The input with the place where pieces of replies go: to whoever follows the run, and what is said in words to
    the session whose turn it is."""
    scope, services, run = act.journal.scope, act.services, input.run
    session = act.state.session if act.state.parent is None else None
    partial = Partial(run.run, run.step, input.attempt, is_value=sentence_of(act) is not None)
    show = None if session is None else services.deltas.begin(scope, session, partial, lambda: may_show(act))

    def add(delta: Delta) -> None:
        faults.hit("ask.piece")
        services.pieces.tell(scope, run.run, Piece(run.step, input.attempt, delta))
        if show is not None:
            show(delta)

    try:
        yield msgspec.structs.replace(input, deltas=add)
    finally:
        if session is not None:
            services.deltas.end(scope, session, partial)


async def _back_off(act: Act) -> None:
    options, failures = act.services.options, act.state.plan_failures
    await act.services.sleep(options.plan_backoff_s * 2 ** (failures - 1))


def _hold(act: Act, asker: Asker, question: Check, verdict: Verdict) -> None:
    """The attempt waits for a person: they agree that the model is asked, and the plan is asked for again."""
    state = act.journal.run(act.state.id)
    if not state.wants_plan(act.state.step, act.state.plan_attempt):
        bill(act, act.state, _made(asker, Plan()))
        return
    planned, contents = _failed(act, HELD, asker, is_final=False, failure=None)
    wait = model_approval(act, question, verdict)
    drafts = moves.hold_plan(state, planned, contents, wait)
    sends = ruled(act, release(act, verdict.public_reason or act.texts.checking))
    label = join(act.state.label, asker.handed.label)
    first = msgspec.structs.replace(drafts[0], label=label)
    act.say((*asker.take_started(), first, *drafts[1:], *sends.refused), sends.session)


def _retry_or_fail(act: Act, code: str, asker: Asker, error: Exception) -> None:
    state = act.state
    if asker.limit is not None and code == OVER_BUDGET:
        _finalize(act, asker, asker.limit, error)
        return
    if not act.journal.run(state.id).wants_plan(state.step, state.plan_attempt):
        bill(act, state, _made(asker, Plan()))
        return
    failure = told(act, f"plan {state.step}", code, error)
    is_given_up = isinstance(error, ModelError) and not error.retryable
    attempts_max = act.services.options.plan_attempts_max
    is_final = state.plan_failures + 1 >= attempts_max or code in FINAL or is_given_up
    _fail(act, code, asker, is_final=is_final, failure=failure)


def _finalize(act: Act, asker: Asker, limit: RunLimit, error: Exception) -> None:
    """What follows when a request does not fit into what the run has left: it has to answer, at last in the runtime's
    own words, since a model cannot be asked for them."""
    state = act.state
    agent = act.agent
    if state.limit and agent is not None:
        append_plan(act, agent, _made(asker, Plan(answer=public_text(act.texts, OVER_BUDGET))))
        return
    planned, contents = _failed(act, OVER_BUDGET, asker, is_final=False, failure=failure_of(error))
    _note_failed(act, asker, moves.over_budget(act.journal.run(state.id), planned, contents, limit))


def _fail(act: Act, code: str, asker: Asker, *, is_final: bool, failure: Failure | None = None) -> None:
    planned, contents = _failed(act, code, asker, is_final=is_final, failure=failure)
    _note_failed(act, asker, moves.admit(act.journal.run(act.state.id), planned, contents, {}))


def _failed(
    act: Act, code: str, asker: Asker, *, is_final: bool, failure: Failure | None
) -> tuple[e.Planned, moves.Contents]:
    state = act.state
    planned = e.Planned(
        state.step,
        state.plan_attempt,
        state.due or "start",
        usage=asker.usage,
        error=code,
        is_final=is_final,
        requests=asker.requests,
    )
    return planned, moves.as_contents([*sealed(failure), *asker.parts()], state.subject)


def _note_failed(act: Act, asker: Asker, drafts: moves.Drafts) -> None:
    if drafts:
        first = msgspec.structs.replace(drafts[0], label=join(act.state.label, asker.handed.label))
        asker.note(first, *drafts[1:])


def _made(asker: Asker, answer: Plan) -> Made:
    return Made(answer, asker.usage, asker.handed.label, asker.requests, asker.started, asker.parts(answer))
