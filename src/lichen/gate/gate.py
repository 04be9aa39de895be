"""The gate of a process: may this happen, now, under which conditions.

Facts are read first, and only they are waited for; then one plain step decides and reserves, so of any number of
parallel calls only as many pass as the meters allow. Whatever goes wrong on the way to an answer is a no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lichen.core.ports.policy import (
    NO_FACTS,
    Allow,
    Check,
    Decision,
    Entries,
    Facts,
    Meter,
    Reservation,
    Verdict,
)
from lichen.core.speech.wording import Texts, Wording
from lichen.core.words.errors import NotFound
from lichen.core.words.failure import Failure
from lichen.core.words.ids import CallId, RunId, SessionId
from lichen.core.words.label import Label
from lichen.core.words.scope import Actor, Scope
from lichen.gate.access.rules import AccessRules, Path, agent_path
from lichen.gate.cedar.shapes import Unusable
from lichen.gate.cedar.values import Value
from lichen.gate.check.conditions import Telling, decision_of
from lichen.gate.check.facts import TIMEOUT_S, TRIES, FactsUnavailable, facts_value, read_facts
from lichen.gate.check.meters import KeyedDigest, MeterBook, Unmeasurable, claims
from lichen.gate.check.question import PublicText, Question, Read, Refused, stop_on, view_of
from lichen.gate.check.request import model_context, request_of, tool_context
from lichen.gate.check.verdicts import Standing, enforced
from lichen.gate.label.labels import endorse
from lichen.gate.rules.schema import ActionView, ToolView
from lichen.gate.switches import StopKind, Switches

if TYPE_CHECKING:
    from lichen.gate.rules.policies import PolicySet

ENTERS: Final = ("run.start", "session.open")
"""What rules of access are asked about, beside the nodes of flows."""
FORBIDDEN: Final = "access_forbidden"
RULES_KEPT: Final = 1_024  # sets of rules of access, the latest
ALLOWED_MAX: Final = 4096  # answers that are remembered

LoadMeter = Callable[[Scope, str], tuple[int, int]]
"""`load(scope, key)`: what the log has reserved and paid under a key."""
IsUnknown = Callable[[Scope, SessionId | None, str, bytes], bool]
"""`is_unknown(scope, session, tool, digest)`: whether such a call was started there and nobody knows how it ended."""
_Act = tuple[str, str, str, Actor, Label, tuple[str, str] | None, tuple[tuple[str, ...], str] | None]
"""What is no tool call: under which policies, which act, on what, by whom, with which label; of a secret, for
which tool and where, of a model its tags."""
Pseudonyms = Callable[[Scope, Actor], str]
Describe = Callable[[BaseException], Failure]


class PolicyGate:
    """Implements `lichen.core.ports.policy.Gate` over one policy set per tenant and environment.

    `clock` gives microseconds since 1970 in UTC. `pseudonym` names actors as grants do; with it, nobody's own grant
    counts for a call made on their behalf. `path_of` says what rules of access call an agent, None for
    one that is not hosted now.
    """

    def __init__(
        self,
        policies: Mapping[tuple[str, str], PolicySet],
        *,
        clock: Callable[[], int],
        digest: KeyedDigest,
        load: LoadMeter,
        is_unknown: IsUnknown,
        pseudonym: Pseudonyms | None = None,
        path_of: Callable[[str], Path | None] = agent_path,
        describe: Describe = lambda error: Failure(type(error).__name__),
        facts_timeout_s: float = TIMEOUT_S,
        wording: Callable[[Scope], Wording] = lambda scope: Wording(),
    ) -> None:
        self.switches = Switches()
        self._policies = dict(policies)
        self._access: dict[tuple[str, str, str], AccessRules] = {}  # those that were in force, by their digest
        self._books: dict[tuple[str, str], MeterBook] = {}  # by tenant and environment
        self._allowed: dict[_Act, Verdict] = {}
        self._clock = clock
        self._digest = digest
        self._load = load
        self._is_unknown = is_unknown
        self._pseudonym = pseudonym
        self._path_of = path_of
        self._describe = describe
        self._facts_timeout_s = facts_timeout_s
        self._wording = wording

    # -- asking --------------------------------------------------------------------------------------------------

    async def facts(self, check: Check) -> Facts:
        """The facts of a call whose tool has any, read again while payments or new policies overtake them."""
        try:
            return await self._read(check)
        except Exception as error:  # noqa: BLE001 - fail closed: a fault of the gate must not open it
            return Facts(refused=self._refusal(check, error))

    def decide(self, check: Check, facts: Facts = NO_FACTS) -> Verdict:
        """Allows, denies or holds; an allowed call has reserved what it counts for. Denies rather than raises.

        Facts are those that `facts` read for this very check in this tick.
        """
        if facts.refused is not None:
            return facts.refused
        try:
            if isinstance(facts, Read):
                return self._decide(self._still(check, facts), facts.values)
            policies = self._current(check.scope)
            view = view_of(check, policies)
            self._refuse_stopped(check)
            self._refuse_closed(check, policies)
            if view.tool is None:
                return self._ruled(check, policies, view)
            if view.tool.spec.facts_schema is not None:
                raise FactsUnavailable("nobody read them")
            return self._decide(self._question(check, policies, view), {})
        except Exception as error:  # noqa: BLE001 - fail closed, as above
            return self._refusal(check, error)

    def _refusal(self, check: Check, error: Exception) -> Verdict:
        match error:
            case Refused():
                return self._deny(check, error.operator_reason, error.public, error.policies)
            case FactsUnavailable():
                return self._failed(check, f"facts_unavailable: {error}.", error.__cause__ or error)
            case Unmeasurable():
                return self._failed(check, f"meter_unavailable: {error}.", error)
            case Unusable():
                return self._failed(check, f"argument_unusable: {error}.", error)
            case _:
                return self._failed(check, f"internal: the gate failed with {type(error).__name__}.", error)

    async def _read(self, check: Check) -> Facts:
        for _ in range(TRIES):
            policies = self._current(check.scope)
            view = view_of(check, policies)
            self._refuse_stopped(check)
            if view.tool is None or view.tool.spec.facts_schema is None:
                return NO_FACTS
            question, book = self._question(check, policies, view), self._book(check.scope)
            with book.watch(question.watched) as watch:
                values = await read_facts(view.tool, check.facts, timeout_s=self._facts_timeout_s)
                if not watch.is_stale and self._current(check.scope) is policies:
                    return Read(values, question=question, payments=book.payments)
        raise Refused(f"busy: payments or new policies overtook the facts {TRIES} times.", "busy")

    def _question(self, check: Check, policies: PolicySet, view: ActionView) -> Question:
        tool = view.tool
        assert tool is not None
        if self._is_unknown(check.scope, check.session, tool.spec.name, check.digest):
            raise Refused("outcome_unknown: nobody knows yet how the same call before it ended.", "in_doubt")
        return Question(
            check=check,
            policies=policies,
            view=view,
            args=tool.args.shape.value(check.args),
            endorsement=endorse(tool.arguments, check.args, check.evidence),
            claimed=claims(check, tool, now_us=self._clock(), digest=self._digest),
        )

    def _still(self, check: Check, facts: Read) -> Question:
        """The question the facts were read for, if it is this one and everything is as it was."""
        question = facts.question
        if question.check is not check or self._book(check.scope).payments != facts.payments:
            raise Refused("busy: the facts were read for another decision.", "busy")
        if self._current(check.scope) is not question.policies:
            raise Refused("busy: new policies overtook the facts.", "busy")
        self._refuse_stopped(check)
        return question

    # -- deciding ------------------------------------------------------------------------------------------------

    def _ruled(self, check: Check, policies: PolicySet, view: ActionView) -> Verdict:
        """The answer about an act that is no tool call. Policies can read of it who asks, for what, and what label
        that has, of a secret the tool and environment too, and nothing that changes: what was allowed under them stays
        allowed. Where they read what models used, each request is another question."""
        counted = _counted(check, policies)
        secret_for = None if check.hands_to is None else (check.hands_to, check.scope.env)
        asking = None if check.asking is None else (check.asking.tags, check.asking.tool)
        key = (policies.digest, check.action, check.resource, check.actor, check.label, secret_for, asking)
        allowed = self._allowed.get(key) if counted is None else None
        if allowed is not None:
            return allowed
        question = Question(check, policies, view)
        texts = self._texts(check)
        decision = self._decision(question, counted or {}, texts)
        verdict = enforced(question, decision, self._standing(check, texts))
        if counted is None and isinstance(decision, Allow):
            if len(self._allowed) >= ALLOWED_MAX:
                self._allowed.clear()
            self._allowed[key] = verdict
        return verdict

    def _decide(self, question: Question, facts: Mapping[str, Any]) -> Verdict:
        check = question.check
        if check.run is not None and check.call is not None:
            self.settle(check.scope, check.run, check.call, paid=False)  # this decision replaces an earlier one
        context = self._tool_context(question, question.view.tool, facts) if question.view.tool else {}
        texts = self._texts(check)
        verdict = enforced(question, self._decision(question, context, texts), self._standing(check, texts))
        if verdict.outcome == "allow":
            self._reserve(check, verdict.reservations)
        counted = self._counted(question) if verdict.outcome == "hold" else {}
        return msgspec.structs.replace(verdict, facts=facts, origins=question.endorsement.origins, meters=counted)

    def _decision(self, question: Question, of_tool: Mapping[str, Value], texts: Texts) -> Decision:
        """What the policies say. `of_tool` is what only a tool call's context has."""
        check, policies = question.check, question.policies
        ruling = policies.decide(*request_of(check, question.view, of_tool))
        return decision_of(ruling, policies.terms, Telling(check.language, texts))

    def _standing(self, check: Check, texts: Texts) -> Standing:
        return Standing(
            meters=self._book(check.scope).meters,
            texts=texts,
            requester=lambda: self._pseudonym(check.scope, check.actor.subject) if self._pseudonym else None,
        )

    def _counted(self, question: Question) -> dict[str, int]:
        """What each meter has counted before this call: whoever is asked to agree sees what policy saw."""
        meters = self._book(question.check.scope).meters
        return {name: meters.used(claim.key) for name, claim in question.claimed.items()}

    def _tool_context(self, question: Question, tool: ToolView, facts: Mapping[str, Any]) -> dict[str, Value]:
        return tool_context(
            tool,
            args=question.args,
            facts=facts_value(tool, facts),
            endorsement=question.endorsement,
            claimed=question.claimed,
            meters=self._book(question.check.scope).meters,
        )

    def _reserve(self, check: Check, reserved: tuple[Reservation, ...]) -> None:
        if not reserved:
            return
        if check.run is None or check.call is None:
            raise Refused("meter_unavailable: only a call of a run can be counted.")
        self._book(check.scope).meters.reserve(check.run, check.call, reserved)

    # -- meters --------------------------------------------------------------------------------------------------

    def settle(self, scope: Scope, run: RunId, call: CallId, *, paid: bool) -> None:
        """Tells the meters how a call ended. Calls they do not know are left alone."""
        self._book(scope).settle(run, call, paid=paid)

    def restore(self, scope: Scope, run: RunId, call: CallId, reserved: tuple[Reservation, ...]) -> None:
        """Remembers what a call decided before a restart has reserved; `load` counts it already."""
        self._book(scope).meters.restore(run, call, reserved)

    def forget(self, scope: Scope) -> None:
        """Drops what the meters hold of a log: it went back to what is durable. `restore` follows."""
        self._books.pop((scope.tenant, scope.env), None)

    def _book(self, scope: Scope) -> MeterBook:
        where = scope.tenant, scope.env
        book = self._books.get(where)
        if book is None:
            book = self._books[where] = MeterBook(lambda key: self._load(scope, key))
        return book

    # -- policies and switches -----------------------------------------------------------------------------------

    def policies(self, scope: Scope) -> PolicySet:
        """What decides for this tenant and environment. Raises NotFound (`policies_unknown`)."""
        try:
            return self._policies[scope.tenant, scope.env]
        except KeyError:
            raise NotFound("This tenant and environment has no policies.", code="policies_unknown") from None

    def meters_of(self, scope: Scope, tool: str) -> tuple[Meter, ...]:
        """The meters that policies about this tool may read there."""
        view = self.policies(scope).schema.views.get(tool)
        return view.tool.meters if view is not None and view.tool is not None else ()

    def _current(self, scope: Scope) -> PolicySet:
        policies = self._policies.get((scope.tenant, scope.env))
        if policies is None:
            raise Refused("tenant_unknown: this tenant and environment has no policies.")
        return policies

    def replace(self, scope: Scope, policies: PolicySet) -> None:
        """Decides by other policies from now on. A check that still reads facts starts again under them."""
        self._policies[scope.tenant, scope.env] = policies
        if policies.access.digest:
            self._access[scope.tenant, scope.env, policies.access.digest] = policies.access
            while len(self._access) > RULES_KEPT:
                del self._access[next(iter(self._access))]

    def stop(self, scope: Scope, kind: StopKind, name: str, reason: str) -> None:
        """Turns a kill switch on: nothing is allowed there from now on."""
        self.switches.stop(scope, kind, name, reason)

    def start(self, scope: Scope, kind: StopKind, name: str) -> None:
        """Turns a kill switch off."""
        self.switches.start(scope, kind, name)

    def is_stopped(self, scope: Scope, *, run: RunId, agent: str, tool: str) -> str | None:
        """What may be told where a kill switch is on for this run, agent, tool or tenant, or None.

        The operator's own words are not: what this returns reaches the planner, and perhaps the customer.
        """
        is_on = self.switches.find(scope, run=run, agent=agent, tool=tool) is not None
        return self._wording(scope).of("").stopped if is_on else None

    def _refuse_stopped(self, check: Check) -> None:
        stop = stop_on(check, self.switches)
        if stop is not None:
            raise Refused(f"stopped: {stop}.", "stopped")

    def entries(self, scope: Scope, team: str = "") -> Entries:
        """Which flows and nodes runs there may come to, by the rules in force now. Where nobody knows any, none."""
        policies = self._policies.get((scope.tenant, scope.env))
        if policies is None:
            return Entries("unknown", _nowhere)
        return policies.access.entries(team, self._path_of)

    def entries_then(self, scope: Scope, team: str, digest: str) -> Entries | None:
        """The same by the rules that a digest pins, empty for none; None for rules that were not in force since this
        process began."""
        if not digest:
            return Entries()
        rules = self._access.get((scope.tenant, scope.env, digest))
        return None if rules is None else rules.entries(team, self._path_of)

    def _refuse_closed(self, check: Check, policies: PolicySet) -> None:
        """Refuses what rules of access do not let anybody come to, whoever asks and whatever policy would say."""
        if check.action not in ENTERS or not policies.access.binds(check.team):
            return
        ruled = policies.access.decide(self._path_of(check.resource) or agent_path(check.resource), check.team)
        if not ruled.is_public:
            by = () if ruled.rule is None else (ruled.rule.place,)
            raise Refused(f"{FORBIDDEN}: {ruled.why}.", policies=by)

    def _failed(self, check: Check, operator_reason: str, error: BaseException) -> Verdict:
        return msgspec.structs.replace(self._deny(check, operator_reason), failure=self._describe(error))

    def _deny(
        self, check: Check, operator_reason: str, public: PublicText = "denied", by: tuple[str, ...] = ()
    ) -> Verdict:
        policies = self._policies.get((check.scope.tenant, check.scope.env))
        told: str = getattr(self._texts(check), public)
        return Verdict("deny", by, policies.digest if policies else "", told, operator_reason)

    def _texts(self, check: Check) -> Texts:
        return self._wording(check.scope).of(check.language)


def _nowhere(name: str, pack: str, flow: str, node: str, /) -> str:
    return "tenant_unknown: this tenant and environment has no policies"


def _counted(check: Check, policies: PolicySet) -> dict[str, Value] | None:
    """What the policies read of what was counted: of a request to a model, and before a run is started."""
    if check.asking is not None and policies.counts_models:
        return model_context(check.asking)
    if check.starting is not None and policies.counts_runs:
        return {"meters": {**check.starting()}}
    return None
