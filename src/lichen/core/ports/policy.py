"""What is asked of the gate, what it answers, and the pure fold that counts what has been promised and paid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, Protocol, get_args

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.words.failure import Failure
from lichen.core.words.ids import CallId, RunId, SessionId
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.scope import Actor, Scope

# -- conditions: what an allowed call must still satisfy ---------------------------------------------------------


class Approval(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A person with `role`, other than the requester, must agree to exactly this call within `expires_s`."""

    role: str
    expires_s: float


class AtMost(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What meter `meter` has counted, this call included, may not pass `limit`."""

    meter: str
    limit: int


class Redact(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """These top-level fields of the result are replaced before the planner sees it."""

    fields: tuple[str, ...]


class Confirmation(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The requester must say that they really want exactly this call, asked with `text`, within `expires_s`.

    It is a question to who asked; it never stands in for an approval, which is another person's.
    """

    text: str
    expires_s: float


class Declassify(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The result may go without these sources of its label."""

    sources: tuple[str, ...]


Condition = Approval | Confirmation | AtMost | Redact | Declassify


# -- decisions ---------------------------------------------------------------------------------------------------


class Allow(msgspec.Struct, frozen=True, tag=True):
    """Go ahead. `policies` are the ids that decided."""

    policies: tuple[str, ...]


class Deny(msgspec.Struct, frozen=True, tag=True):
    """No. `public_reason` may be told to the customer, `operator_reason` is for the log and the operator."""

    policies: tuple[str, ...]
    public_reason: str
    operator_reason: str


class AllowWithConditions(msgspec.Struct, frozen=True, tag=True):
    """Go ahead once every condition holds."""

    policies: tuple[str, ...]
    conditions: tuple[Condition, ...]
    public_reason: str
    operator_reason: str


Decision = Allow | Deny | AllowWithConditions


# -- meters: sums that policies read and calls reserve from ------------------------------------------------------


class Meter(msgspec.Struct, frozen=True):
    """A sum kept over calls of the tools in `tools`: of argument `amount` (None counts calls), kept apart `per`
    subject, session, run, tenant or the value of argument `per_argument`, and per UTC day or for good."""

    name: str
    tools: tuple[str, ...]
    amount: str | None = None
    per: Literal["subject", "session", "run", "tenant", "argument"] = "subject"
    per_argument: str | None = None
    window: Literal["day", "forever"] = "forever"


ModelMeter = Literal[
    "run_tokens",
    "run_micro_usd",
    "session_tokens",
    "session_micro_usd",
    "customer_tokens",
    "customer_micro_usd",
    "day_tokens",
    "day_micro_usd",
]
"""What is counted of models: for the run with all that it called, for its session, and today (UTC) for whose it is and
for its tenant and environment. Tokens, and millionths of a US dollar; requests that are under way, or were lost, count
with what is reserved for them."""

MODEL_METERS: Final[tuple[ModelMeter, ...]] = get_args(ModelMeter)

RunMeter = Literal["customer_runs", "customer_tokens", "customer_micro_usd", "day_tokens", "day_micro_usd"]
"""What is counted today (UTC) before a run is started: the runs that began for whose it would be, without those that
runs called, what models took for them, and what they took for the tenant's environment."""

RUN_METERS: Final[tuple[RunMeter, ...]] = get_args(RunMeter)


class Reservation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call's claim on a meter: `key` is an opaque digest of the meter, whom it counts for and its window."""

    key: str
    amount: int


class Meters:
    """The fold of all reservations of one log: reserved when decided, kept when paid or unknown, else released.

    `used(key)` counts reserved and paid alike; `reserved(key)` only what is not settled yet.
    """

    def __init__(self, load: Callable[[str], tuple[int, int]] = lambda key: (0, 0)) -> None:
        self._load = load
        self._totals: dict[str, list[int]] = {}  # key -> [reserved, paid]
        self._open: dict[tuple[RunId, CallId], tuple[Reservation, ...]] = {}

    def _total(self, key: str) -> list[int]:
        total = self._totals.get(key)
        if total is None:
            total = self._totals[key] = list(self._load(key))
        return total

    def used(self, key: str) -> int:
        """Everything promised or paid under `key`."""
        return sum(self._total(key))

    def reserved(self, key: str) -> int:
        """What is promised under `key` and not settled."""
        return self._total(key)[0]

    def reserve(self, run: RunId, call: CallId, reservations: tuple[Reservation, ...]) -> None:
        """Counts the reservations of a decided call. A second decision of the same call replaces the first."""
        self.settle(run, call, paid=False)
        for r in reservations:
            self._total(r.key)[0] += r.amount
        if reservations:
            self._open[run, call] = reservations

    def restore(self, run: RunId, call: CallId, reservations: tuple[Reservation, ...]) -> None:
        """Remembers a reservation that `load` already counts, so that it can be settled."""
        self._open[run, call] = reservations

    def settle(self, run: RunId, call: CallId, *, paid: bool) -> tuple[Reservation, ...]:
        """Turns the call's reservations into payments, or gives them back; says which. Unknown calls have none."""
        reservations = self._open.pop((run, call), ())
        for r in reservations:
            total = self._total(r.key)
            total[0] -= r.amount
            total[1] += r.amount if paid else 0
        return reservations


# -- the question and the answer ---------------------------------------------------------------------------------


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Something an accepted source said: words of the customer or an operator, or fields of a tool's record.

    `values` are the scalars found in it; an argument that equals one of them is endorsed by `source`.
    """

    source: str
    values: tuple[str | int | bool | Decimal, ...]


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a person agreed to: by whom (a pseudonym), in which role, for the call with this digest.

    An `approval` is another person's, unless `is_own` says that the environment let a requester give it; a
    `confirmation` is a requester's. Neither satisfies the other.
    """

    role: str
    by: str
    digest: bytes
    kind: Literal["approval", "confirmation"] = "approval"
    is_own: bool = False


class Asking(msgspec.Struct, frozen=True):
    """What policies may read of a request to a model: its meters as they are now, without it, the tags that a project
    gives the model, and the tool that asks in the midst of a call; empty where the run itself does."""

    used: Callable[[], Mapping[ModelMeter, int]]
    tags: tuple[str, ...] = ()
    tool: str = ""


class Check(msgspec.Struct, frozen=True):
    """May this happen? `action` is the tool's name for a call, else one of the documented actions
    (`run.start`, `session.open`, `message.send`, `model.invoke`, `wait.answer`, `log.read` …).

    `requesters` are the pseudonyms of everybody who spoke for it; `hands_to` is the tool or model that a secret
    goes to, `asking` is there for `model.invoke`, and `starting`, which gives its meters as they are now, for
    `run.start`. `team` is that of the session or run, empty for none.
    """

    scope: Scope
    actor: Actor
    action: str
    resource: str
    run: RunId | None = None
    call: CallId | None = None
    session: SessionId | None = None
    tool: ToolSpec | None = None
    args: Mapping[str, Any] = {}
    label: Label = EMPTY
    evidence: tuple[Evidence, ...] = ()
    grants: tuple[Grant, ...] = ()
    digest: bytes = b""
    facts: Callable[[], Awaitable[Mapping[str, Any]]] | None = None
    requesters: tuple[str, ...] = ()
    hands_to: str | None = None
    language: str = ""  # in which a public reason is told; empty for the tenant's own
    asking: Asking | None = None
    starting: Callable[[], Mapping[RunMeter, int]] | None = None
    team: str = ""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The gate's answer. `hold` means allowed once `approval` or `confirmation` is given; only `allow` reserves.

    `facts` is what was read, `origins` says for each argument where it came from (a source, or `model`), `meters` what
    policy saw counted before this call, by name. `declassified` are sources the result may go without. `failure` is
    what went wrong where facts or the gate itself did. `caps` are what a request to a model may bring its meters to.
    """

    outcome: Literal["allow", "deny", "hold"]
    policies: tuple[str, ...]
    policy_digest: str
    public_reason: str = ""
    operator_reason: str = ""
    approval: Approval | None = None
    redact: tuple[str, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    facts: Mapping[str, Any] = {}
    origins: Mapping[str, str] = {}
    confirmation: Confirmation | None = None
    declassified: tuple[str, ...] = ()
    meters: Mapping[str, int] = {}
    failure: Failure | None = None
    caps: tuple[AtMost, ...] = ()


class Facts(msgspec.Struct, frozen=True):
    """What was read before a decision: `values` by name, or the answer already, where they could not be read."""

    values: Mapping[str, Any] = {}
    refused: Verdict | None = None


NO_FACTS = Facts()


def _anywhere(name: str, pack: str, flow: str, node: str, /) -> str | None:
    return None


class Entries(msgspec.Struct, frozen=True):
    """Which flows and nodes may be come to, as of one moment.

    `refusal(name, pack, flow, node)` says for operators why one may not, None where it may: `name` is what the flow is
    called here, and of the flow as a whole `node` is empty. `digest` pins the rules, empty for none.
    """

    digest: str = ""
    refusal: Callable[[str, str, str, str], str | None] = _anywhere


class Gate(Protocol):
    """One per process; knows every tenant's policies."""

    async def facts(self, check: Check) -> Facts:
        """Reads the facts of a call whose tool has any. Whoever asked decides in the same tick, or reads again."""
        ...

    def decide(self, check: Check, facts: Facts = NO_FACTS) -> Verdict:
        """Decides and reserves in one step. Denies rather than raises, also a call whose facts nobody read."""
        ...

    def entries(self, scope: Scope, team: str = "") -> Entries:
        """Which flows and nodes runs of this team, or of none, may come to there now."""
        ...

    def entries_then(self, scope: Scope, team: str, digest: str) -> Entries | None:
        """The same by the rules that a digest pins, empty for none; None where nobody knows them any more."""
        ...

    def settle(self, scope: Scope, run: RunId, call: CallId, *, paid: bool) -> None:
        """Tells the meters how a call ended."""
        ...

    def is_stopped(self, scope: Scope, *, run: RunId, agent: str, tool: str) -> str | None:
        """What may be told while a kill switch is on for this run, agent, tool or tenant, or None. Read before every
        effect."""
        ...
