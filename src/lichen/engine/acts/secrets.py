"""What a tool is entrusted with for one act: the secrets it asks for, as policy allows, each noted when it is used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.call import NotDone, Tool
from lichen.core.ports.policy import Check, Verdict
from lichen.core.ports.secrets import Secret, fingerprint
from lichen.core.words.errors import Denied, NotFound
from lichen.engine.act import CallAct
from lichen.engine.drafts.ended import end
from lichen.engine.sends.sends import refusal
from lichen.engine.sends.starts import ruling_of
from lichen.tools.entrusted import Entrusted

Verdicts = Mapping[str, tuple[Check, Verdict]]


class SecretRefused(Denied):
    """Policy does not let a run use a secret that its tool asks for."""

    code = "secret_refused"
    next_step = "Permit the agent the action secret.use on it; `lichen doctor` shows the permit."

    def __init__(self, check: Check, verdict: Verdict) -> None:
        super().__init__("Policy does not let this run use a secret that its tool needs.")
        self.check, self.verdict = check, verdict


async def handed(act: CallAct) -> moves.Drafts | None:
    """Hands the tool of a call the secrets that it acts with. Returns what to note before it does, None where the call
    is not to begin any more.

    Raises SecretRefused, NotDone (`secret_unknown`, `secret_store_unavailable`).
    """
    asked = act.call
    values = await _values(act, act.tool, act.tool.spec.secrets.call)
    call = act.look_again()
    if call is None or (call.phase, call.check) != (asked.phase, asked.check):
        return None
    return _noted(act, act.tool, values)


async def entrusted(act: CallAct, tool: Tool, what: Literal["facts", "probe"]) -> Tool:
    """The tool with the secrets that it reads facts or looks for its effect with; that they are used is noted.

    Raises SecretRefused, which is noted too, NotDone (`secret_unknown`, `secret_store_unavailable`, `call_gone`).
    """
    try:
        values = await _values(act, tool, getattr(tool.spec.secrets, what))
        if act.look_again() is None:
            raise NotDone("The call is over.", code="call_gone", retryable=False)
        act.note(*_noted(act, tool, values))
    except SecretRefused as refused:
        act.note(refusal(act, refused.check, refused.verdict))
        raise
    assert act.entrusted is not None
    return act.entrusted


def refuse(act: CallAct, refused: SecretRefused) -> None:
    """Ends a call that may not use what its tool needs."""
    if act.look_again() is not None:
        act.note(refusal(act, refused.check, refused.verdict))
        finished = e.CallFinished(act.call.id, act.call.attempt, "denied", refused.code)
        end(act, finished, reason=refused.verdict.public_reason)


async def _values(act: CallAct, tool: Tool, names: tuple[str, ...]) -> dict[str, Secret]:
    """The secrets. None is asked for that policy does not allow."""
    _allowed(act, tool, names)
    try:
        async with asyncio.timeout(act.services.options.secret_timeout_s):
            return {name: await act.services.secrets.get(act.journal.scope, name) for name in names}
    except NotFound:
        raise NotDone("A secret that the tool needs is not there.", code="secret_unknown", retryable=False) from None
    except Exception:  # noqa: BLE001 - a store may raise anything, and a value may stand in it
        message = "A secret that the tool needs cannot be had now."
        raise NotDone(message, code="secret_store_unavailable") from None


def _noted(act: CallAct, tool: Tool, values: Mapping[str, Secret]) -> moves.Drafts:
    """What is noted of a use, allowed by the policies of this moment."""
    verdicts = _allowed(act, tool, tuple(values))
    act.entrusted = Entrusted(tool, values)
    digest, new_id = act.journal.log.digest, act.services.new_id
    return tuple(
        e.Draft(
            e.SecretUsed(
                name,
                fingerprint(name, value, digest),
                new_id("use"),
                act.call.id,
                ruling_of(*verdicts[name]),
            )
        )
        for name, value in values.items()
    )


def _allowed(act: CallAct, tool: Tool, names: tuple[str, ...]) -> Verdicts:
    """The verdict on each. Raises SecretRefused for the first that is not allowed."""
    found: dict[str, tuple[Check, Verdict]] = {}
    for name in names:
        check = _asked(act, tool, name)
        verdict = act.services.gate.decide(check)
        if verdict.outcome != "allow":
            raise SecretRefused(check, verdict)
        found[name] = (check, verdict)
    return found


def _asked(act: CallAct, tool: Tool, name: str) -> Check:
    return Check(
        scope=act.journal.scope,
        actor=act.actor,
        action="secret.use",
        resource=name,
        run=act.state.id,
        session=act.state.session,
        label=act.state.label,
        hands_to=tool.spec.name,
        language=act.language,
    )
