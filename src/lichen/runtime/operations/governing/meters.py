"""The meters of a tenant: what is declared, what is used up and for whom, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.policy import Check, Meter
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import CallId, RunId, run_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.journal.journal import Journal
from lichen.gate.check.meters import Unmeasurable, claims
from lichen.gate.gate import PolicyGate
from lichen.gate.rules.policies import PolicySet
from lichen.gate.rules.schema import ToolView
from lichen.runtime.access.access import EVERYTHING, Access
from lichen.runtime.views.asked import shown
from lichen.runtime.views.policy import MeterRow, MeterView, limits_of, next_limit
from lichen.runtime.views.record import Sight, sight

CALLS_MAX = 500  # the last that counted for something; whoever used a meter before them alone is not listed


class _Counted(NamedTuple):
    """A call that counted: its run, the tool's view, its arguments."""

    run: RunId
    call: CallId
    tool: ToolView
    args: Mapping[str, Any]


class MeterBooks:
    """Reads the meters. Raises Denied."""

    def __init__(self, engine: Engine, gate: PolicyGate, access: Access) -> None:
        self._engine = engine
        self._gate = gate
        self._access = access

    def list(self, scope: Scope, actor: Actor) -> tuple[MeterView, ...]:
        """Every declared meter with those who used it lately, who used most first."""
        view = sight(self._access.look("run.read", scope, actor, EVERYTHING, what="run"))
        journal, policies = self._engine.journal(scope), self._gate.policies(scope)
        used: dict[str, dict[str, str]] = {meter.name: {} for meter in policies.meters}  # by name: key -> whom
        for counted in _counted(journal, policies):
            for name, key, whom in self._keys(journal, policies, counted, view):
                used[name].setdefault(key, whom)
        return tuple(_view(journal, policies, meter, used[meter.name]) for meter in policies.meters)

    def _keys(
        self, journal: Journal, policies: PolicySet, counted: _Counted, view: Sight
    ) -> Iterator[tuple[str, str, str]]:
        """The name of each meter that a call counted for, the key it is kept under now, and whom it is kept for."""
        scope, state = journal.scope, journal.run(counted.run)
        actor = journal.actor_of(counted.run)
        check = Check(
            scope,
            actor,
            counted.tool.spec.name,
            counted.tool.spec.name,
            run=counted.run,
            call=counted.call,
            session=state.session,
            args=counted.args,
        )
        try:
            now_us = self._engine.services.clock()
            digest = journal.log.digest
            found = claims(check, counted.tool, now_us=now_us, digest=lambda _, data: digest(data).hex())
        except Unmeasurable:
            return
        whose = view.name_of(journal.log, state.subject)
        for meter in policies.meters:
            if meter.name in found and counted.tool.spec.name in meter.tools:
                key = found[meter.name].key
                is_said = meter.per == "argument" and view.is_sealed
                yield meter.name, key, key if is_said else _whom(meter, check, whose)


def _counted(journal: Journal, policies: PolicySet) -> Iterator[_Counted]:
    """The last calls that counted for something, whose arguments can still be read."""
    for run, call in journal.log.metered(CALLS_MAX):
        try:
            planned = next(
                (event.n, each.tool)
                for event in journal.events(run_stream(run))
                if isinstance(event.control, e.Planned)
                for each in event.control.calls
                if each.id == call
            )
            args = msgspec.json.decode(journal.log.contents(run_stream(run), planned[0])[f"{call}/args"])
        except (StopIteration, ContentErased, KeyError, msgspec.DecodeError):
            continue
        view = policies.schema.views.get(planned[1])
        if view is not None and view.tool is not None:
            yield _Counted(run, call, view.tool, args)


def _whom(meter: Meter, check: Check, whose: str) -> str:
    match meter.per:
        case "tenant":
            return "everybody"
        case "subject":
            return whose
        case "session":
            return str(check.session or check.run)
        case "run":
            return str(check.run)
        case "argument":
            return f"{meter.per_argument} {check.args.get(meter.per_argument or '')}"


def _view(journal: Journal, policies: PolicySet, meter: Meter, keys: Mapping[str, str]) -> MeterView:
    limits, schema = limits_of(policies, meter), _schema(policies, meter)
    rows = [_row(journal, limits, schema, key, whom) for key, whom in keys.items()]
    counts = "calls" if meter.amount is None else meter.amount
    per = meter.per if meter.per_argument is None else meter.per_argument
    ordered = tuple(sorted((row for row in rows if row.used), key=lambda row: -row.used))
    return MeterView(meter.name, meter.tools, counts, per, meter.window, limits, ordered)


def _row(journal: Journal, limits: tuple[int, ...], schema: Mapping[str, Any], key: str, whom: str) -> MeterRow:
    reserved, paid = journal.log.meter(key)
    used = reserved + paid
    limit = next_limit(limits, used)
    left = None if limit is None else max(0, limit - used)
    return MeterRow(whom, used, reserved, limit, left, shown(used, schema), "" if left is None else shown(left, schema))


def _schema(policies: PolicySet, meter: Meter) -> Mapping[str, Any]:
    """What the schema of the summed argument says of it, such as that it is money."""
    for name in meter.tools:
        view = policies.schema.views.get(name)
        if view is not None and view.tool is not None and meter.amount is not None:
            properties: Mapping[str, Any] = (view.tool.spec.input_schema or {}).get("properties", {})
            return properties.get(meter.amount, {})
    return {}
