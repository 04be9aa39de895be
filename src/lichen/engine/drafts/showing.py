"""What a customer may see while something goes on for them: that somebody types, and what a tool says of its call."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from lichen.engine.act import Act, CallAct
from lichen.engine.brief.hints import customer_hint
from lichen.engine.brief.history import window_label
from lichen.engine.pace.deltas import Partial
from lichen.engine.sends.sends import sending


def may_show(act: Act) -> bool:
    """Whether a message of this run may go to its session as things stand, whatever it says."""
    now = act.on_run(act.state.id)
    session = now.session
    if session is None:
        return False
    verdict = act.services.gate.decide(sending(now, session, window_label(now)))
    return verdict.outcome == "allow" and not verdict.redact


@contextmanager
def shown(act: CallAct) -> Generator[None]:
    """While a call is made, its tool's line about it may be shown to the session whose turn it is. What that says is
    worked out once somebody looks."""
    state, scope, deltas = act.state, act.journal.scope, act.services.deltas
    if state.session is None or state.parent is not None or not act.tool.spec.call_hint:
        yield
        return
    partial = Partial(state.id, state.step, act.call.attempt)
    note = cache(lambda: customer_hint(act) if may_show(act) else "")
    deltas.note(scope, state.session, act.call.id, partial, note)
    try:
        yield
    finally:
        deltas.unnote(scope, state.session, act.call.id)
