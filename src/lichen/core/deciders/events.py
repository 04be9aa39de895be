"""The control part of every record type: small, clear, and free of anything a stranger wrote.

Fields may only be appended, never reordered or removed: stored bytes outlive this file (golden logs hold it).
Texts, arguments, results and planner state are contents, sealed beside the control and named by part.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

from lichen.core.ports.call import Effects, Outcome
from lichen.core.ports.plan import PlanReason, Resume, SpeakerRole
from lichen.core.ports.policy import Reservation
from lichen.core.words.content import Content
from lichen.core.words.ids import (
    AgentName,
    CallId,
    MessageId,
    RunId,
    SessionId,
    StreamId,
    ToolName,
    TurnId,
    WaitId,
)
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.wait import OnExpiry, WaitKind, WaitOutcome

Stands = Literal["joins", "begins", "alone"]
"""How a fact may share a stored record with those appended beside it in its stream.

It `joins` the one before it; `begins` a record, so that it is found by its key on disk; or stands `alone`: nothing that
comes after it shares its record either.
"""


class Control(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all controls. `type` is the record type; `key` makes the append idempotent within its stream."""

    type: ClassVar[str]
    type_v: ClassVar[int] = 1
    stands: ClassVar[Stands] = "joins"

    @property
    def key(self) -> str:
        """Unique within the stream: the type and what tells this one from others of the type."""
        return self.type


# -- run ---------------------------------------------------------------------------------------------------------


class Pins(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Digests of what the run was started with."""

    agent: str = ""
    tools: str = ""
    policy: str = ""
    decider: str = ""


class Parent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The call of which a child run is the execution."""

    run: RunId
    call: CallId


class Ruling(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the gate said of the act that its record states: the action, the policies that decided, their digest.

    The label it was decided on is the record's own. None in a record where nobody was asked.
    """

    action: str
    policies: tuple[str, ...] = ()
    policy_digest: str = ""


class RunStarted(Control, frozen=True, array_like=True, gc=False):
    """Contents: `input` (JSON list of messages), `actor` (JSON), `attributes` (JSON).

    `requesters` are the pseudonyms of everybody who spoke in its input: none of them may approve what it wants.
    """

    agent: AgentName
    subject: str
    limits: Limits
    session: SessionId | None = None
    turn: TurnId | None = None
    parent: Parent | None = None
    depth: int = 0
    pins: Pins = Pins()
    requesters: tuple[str, ...] = ()
    ruling: Ruling | None = None


class PlanStarted(Control, frozen=True, array_like=True, gc=False):
    """A planner that costs something was asked. A lost one is billed from here."""

    step: int
    attempt: int
    reason: PlanReason

    @property
    def key(self) -> str:
        return f"plan_started/{self.step}/{self.attempt}"


class PlannedCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call as planned. Its arguments are content `<id>/args` of the record, its digest is keyed."""

    id: CallId
    tool: ToolName
    effects: Effects
    digest: bytes
    cost: int = 1


class ModelAsked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One request to a model that a plan took: which model, how it ended (`ok`, or the code of the error), what it
    cost, how often it was tried again, and how long it took. `ruling` is what the gate said of it.
    """

    model: str
    outcome: str
    usage: Usage = Usage()
    retries: int = 0
    duration_us: int = 0
    ruling: Ruling | None = None


class Planned(Control, frozen=True, array_like=True, gc=False):
    """Contents: `state`, `say/<i>`, `answer`, `<call>/args`, `<call>/terms`, `<call>/redact`, `notes`, `failure` (JSON,
    for operators), `blocks` (what a model's provider wants back with its next request). Beside the words of `say/<i>`
    and `answer` stand their `…/card` and `…/attachments` (JSON).

    `error` names why an attempt gave no plan. `requests` are the model requests it took; before there were those, the
    rulings on them stood alone in `rulings`. The record's label is that of the earlier words the planner was handed.
    """

    step: int
    attempt: int
    reason: PlanReason
    calls: tuple[PlannedCall, ...] = ()
    says: int = 0
    has_answer: bool = False
    has_state: bool = False
    waits: int = 0
    resume: Resume = "all"
    usage: Usage = Usage()
    error: str = ""
    is_final: bool = False  # no further attempt: the run fails with `error`
    rulings: tuple[Ruling, ...] = ()
    requests: tuple[ModelAsked, ...] = ()

    @property
    def key(self) -> str:
        return f"planned/{self.step}/{self.attempt}"


class Decided(Control, frozen=True, array_like=True, gc=False):
    """Contents: `facts`, `origins`, `public`, `operator`, `meters` (JSON).

    `declassified` are the sources that policy lets this call's result go without.
    """

    call: CallId
    check: int
    verdict: Literal["allow", "deny", "hold"]
    policies: tuple[str, ...] = ()
    policy_digest: str = ""
    reservations: tuple[Reservation, ...] = ()
    redact: tuple[str, ...] = ()
    declassified: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"decided/{self.call}/{self.check}"


class WaitOpened(Control, frozen=True, array_like=True, gc=False):
    """Contents: `public`, `operator`, `schema`. Also written to the session's stream when the customer may answer.

    `requester` is whom it is wanted for; `requesters` are all who spoke for it, and none of them may approve it.
    """

    stands: ClassVar[Stands] = "alone"

    run: RunId
    wait: WaitId
    kind: WaitKind
    call: CallId | None = None
    may_answer: tuple[str, ...] = ()
    requester: str = ""
    digest: bytes = b""
    role: str = ""
    expires_at_us: int | None = None
    on_expiry: OnExpiry = "deny"
    stops_budget: bool = True
    requesters: tuple[str, ...] = ()
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"wait_opened/{self.run}/{self.wait}"


class WaitClosed(Control, frozen=True, array_like=True, gc=False):
    """Contents: `body`. `by` is the pseudonym of who answered; `note` stays sealed in the body.

    `is_own`: they approved what they had asked for themselves, which only a development environment may allow.
    """

    stands: ClassVar[Stands] = "alone"

    run: RunId
    wait: WaitId
    outcome: WaitOutcome
    by: str = ""
    is_own: bool = False
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"wait_closed/{self.run}/{self.wait}"


class Owned(Control, frozen=True, array_like=True, gc=False):
    """A process took the stream over. What an older epoch started is in doubt from here."""

    stands: ClassVar[Stands] = "alone"

    epoch: int

    @property
    def key(self) -> str:
        return f"owned/{self.epoch}"


class CallStarted(Control, frozen=True, array_like=True, gc=False):
    """Durable before a `once` effect begins. A child's run id is pinned here; `reserved` calls and `reserved_tokens`
    are lent to it, and at `due_us` its time is over (0: its own limits end it).
    """

    call: CallId
    attempt: int
    epoch: int
    child: RunId | None = None
    reserved: int = 0
    reserved_tokens: int = 0
    due_us: int = 0

    @property
    def key(self) -> str:
        return f"call_started/{self.call}/{self.attempt}"


class CallProgressed(Control, frozen=True, array_like=True, gc=False):
    """The call is neither finished nor where it was.

    `in_doubt`: it must be settled; `not_done`: it certainly did not happen and goes again; `retry`: the same after
    `due_us`; `child_cancelled`: its child run was told to stop; `waited`: it had to wait for a place to run in, so it
    is decided again; `waiting`, `resumed`: its child's time stands still, or goes on. Contents: `failure` (JSON, for
    operators). `used` and `used_tokens` are what a child that is tried again took of what was lent to it.
    """

    stands: ClassVar[Stands] = "begins"

    call: CallId
    attempt: int
    what: Literal["in_doubt", "not_done", "retry", "child_cancelled", "waited", "waiting", "resumed"]
    code: str = ""
    due_us: int = 0
    check: int = 0  # of `waited`: which decision it overtook; of `waiting` and `resumed`: where its child's stream was
    used: int = 0
    used_tokens: int = 0

    @property
    def key(self) -> str:
        return f"call_progressed/{self.call}/{self.attempt}/{self.what}{f'/{self.check}' if self.check else ''}"


class CallFinished(Control, frozen=True, array_like=True, gc=False):
    """Contents: `result` (JSON), `reason`, `issues` (JSON), `audit` (JSON, retention key), `failure` (JSON), and
    `artifacts` (JSON): what user interfaces show of the result and no model reads.

    `failure` holds what went wrong in a tool's own words, for operators: exception, message, traceback.

    `unknown` ends the attempt, not the call. `used` and `used_tokens` are what a child took of what was lent to it;
    `has_acted`: something that may not be repeated happened in it, or may have.
    """

    call: CallId
    attempt: int
    outcome: Outcome
    code: str = ""
    duration_us: int = 0
    used: int = 0
    used_tokens: int = 0
    has_acted: bool = False

    @property
    def key(self) -> str:
        suffix = "/unknown" if self.outcome == "unknown" else ""
        return f"call_finished/{self.call}/{self.attempt}{suffix}"


class Signal(Control, frozen=True, array_like=True, gc=False):
    """Somebody wants something of the run. Contents: `input` (JSON list of messages), `reason`.

    `by` is the pseudonym of who spoke; they become a requester of what the run wants.
    """

    stands: ClassVar[Stands] = "begins"

    kind: Literal["cancel", "input"]
    id: str
    code: str = ""
    by: str = ""
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"signal/{self.kind}/{self.id}"


class TimerFired(Control, frozen=True, array_like=True, gc=False):
    """A timer of the stream came due."""

    stands: ClassVar[Stands] = "begins"

    timer: str

    @property
    def key(self) -> str:
        return f"timer_fired/{self.timer}"


class LimitReached(Control, frozen=True, array_like=True, gc=False):
    """The run must answer with what it has."""

    limit: Literal["calls", "time", "failures", "tokens", "fan_out", "depth"]

    @property
    def key(self) -> str:
        return f"limit_reached/{self.limit}"


class RunFinished(Control, frozen=True, array_like=True, gc=False):
    """Contents: `answer`."""

    outcome: Literal["completed", "failed", "cancelled"]
    code: str = ""
    usage: Usage = Usage()
    calls: int = 0


class Declassified(Control, frozen=True, array_like=True, gc=False):
    """A person let what was read so far go without these sources: of a run, or of a session's earlier messages.

    Contents: `reason`.
    """

    stands: ClassVar[Stands] = "alone"

    sources: tuple[str, ...]
    by: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"declassified/{self.id}"


class Refused(Control, frozen=True, array_like=True, gc=False):
    """The gate did not allow an act, or holds it, so there is no record of the act itself.

    `resource` is the keyed digest of what was asked about; contents: `resource`, `operator`. The first is written at
    once; those equal to it within a minute are one more record, `count` of them since `first_us`. Without an `action`
    it counts refusals of any kind beyond what a log takes in a minute.
    """

    stands: ClassVar[Stands] = "alone"

    action: str
    resource: str
    verdict: Literal["deny", "hold"]
    id: str
    policies: tuple[str, ...] = ()
    policy_digest: str = ""
    count: int = 1
    first_us: int = 0

    @property
    def key(self) -> str:
        return f"refused/{self.id}"


# -- mailbox -----------------------------------------------------------------------------------------------------

DoubleTexting = Literal["enqueue", "interrupt", "merge", "reject"]


class MailboxOpened(Control, frozen=True, array_like=True, gc=False):
    """Contents: `actor` (JSON), `attributes` (JSON), `address` (where its channel pushes messages to). `locale` is a
    language the tenant declares; empty for its first."""

    agent: AgentName
    subject: str
    channel: str
    delivery: Literal["pull", "push"] = "pull"
    double_texting: DoubleTexting = "enqueue"
    locale: str = ""
    ruling: Ruling | None = None
    has_address: bool = False


class MessageReceived(Control, frozen=True, array_like=True, gc=False):
    """Contents: `text`, `data` (JSON that came with it), `channel` (what its channel keeps with it), `address` (where
    messages go from now on).

    The record's actor is who sent it. `role` and `by` are whose words they are: the customer's where the customer sent
    them, or a channel that vouches for them; only those endorse.
    `token` is the HMAC of the sender's idempotency key, or the message id without one.
    """

    stands: ClassVar[Stands] = "begins"

    message: MessageId
    token: str
    disposition: Literal["queued", "joined", "answered", "rejected"]
    run: RunId | None = None
    wait: WaitId | None = None
    role: SpeakerRole = "customer"
    ruling: Ruling | None = None
    by: str = ""
    has_address: bool = False

    @property
    def key(self) -> str:
        return f"message_received/{self.token}"


class TurnOpened(Control, frozen=True, array_like=True, gc=False):
    """A turn begins with these messages; its run starts in the same append, or policy refused it, and the turn ends."""

    turn: TurnId
    run: RunId
    messages: tuple[MessageId, ...]

    @property
    def key(self) -> str:
        return f"turn_opened/{self.turn}"


class TurnClosed(Control, frozen=True, array_like=True, gc=False):
    """`released`: the run waits for somebody else and the customer may go on talking. `ended`: that run is over.
    `refused`: policy did not let the run start, so there is none."""

    turn: TurnId
    run: RunId
    outcome: Literal["answered", "released", "failed", "cancelled", "ended", "refused"]

    @property
    def key(self) -> str:
        return f"turn_closed/{self.turn}{'/ended' if self.outcome == 'ended' else ''}"


class MessageQueued(Control, frozen=True, array_like=True, gc=False):
    """Contents: `text`, `card` and `attachments` (JSON), `suggestions` (JSON, of a question: answers it expects).

    Leaves the process only once this is durable. Its label is that of the run that made it.
    """

    message: MessageId
    kind: Literal["answer", "say", "question", "notice"]
    turn: TurnId | None = None
    run: RunId | None = None
    token: str = ""  # what makes this message the only one of its kind, such as `answer/<run>`
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"message_queued/{self.token or self.message}"


class DeliveryAttempted(Control, frozen=True, array_like=True, gc=False):
    """A message is about to be handed to the channel under its own id."""

    message: MessageId
    attempt: int

    @property
    def key(self) -> str:
        return f"delivery_attempted/{self.message}/{self.attempt}"


class DeliverySettled(Control, frozen=True, array_like=True, gc=False):
    """How the attempt ended. `retry` waits until `due_us`."""

    message: MessageId
    attempt: int
    outcome: Literal["delivered", "retry", "failed"]
    code: str = ""
    due_us: int = 0

    @property
    def key(self) -> str:
        return f"delivery_settled/{self.message}/{self.attempt}"


class MailboxClosed(Control, frozen=True, array_like=True, gc=False):
    """No further message is taken."""

    code: str = ""
    ruling: Ruling | None = None


# -- tenant ------------------------------------------------------------------------------------------------------


class LogOpened(Control, frozen=True, array_like=True, gc=False):
    """A process opened the log for writing. `format_v` is the record format it writes."""

    stands: ClassVar[Stands] = "alone"

    boot: str
    format_v: int
    version: str

    @property
    def key(self) -> str:
        return f"log_opened/{self.boot}"


ChangeKind = Literal["policy", "stop", "start", "key", "config", "state", "catalog", "pack"]


class Changed(Control, frozen=True, array_like=True, gc=False):
    """Something that governs the tenant changed. `name` is declared in configuration, never free text.

    Contents: `reason` (retention key); of kind `state`, in the stream of its key: `value` (JSON). `catalog` is a new
    version of an agent or flow, `pack` another revision of a pack.
    """

    stands: ClassVar[Stands] = "alone"

    kind: ChangeKind
    name: str
    digest: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"changed/{self.kind}/{self.id}"


class Erased(Control, frozen=True, array_like=True, gc=False):
    """The data keys of a subject were destroyed. `sessions`, `runs` and `records` count what was about them."""

    stands: ClassVar[Stands] = "alone"

    subject: str
    key_ids: tuple[int, ...]
    id: str
    sessions: int = 0
    runs: int = 0
    records: int = 0
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"erased/{self.id}"


class Accessed(Control, frozen=True, array_like=True, gc=False):
    """Somebody opened contents, or took them away: once for each opening, not for each frame or page of it.

    Contents: `resource`, what was opened.
    """

    stands: ClassVar[Stands] = "alone"

    what: Literal["run", "session", "wait", "record", "log", "feed", "export", "names"]
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"accessed/{self.id}"


DefinitionKind = Literal["tool", "server", "pack", "agent", "flow"]


class Pinned(Control, frozen=True, array_like=True, gc=False):
    """A stranger's definition was taken as it is: nothing else counts under this name until somebody pins another.

    Contents: `definition` (JSON; retention key).
    """

    stands: ClassVar[Stands] = "alone"

    kind: DefinitionKind
    name: str
    digest: str
    by: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"pinned/{self.id}"


class Reviewed(Control, frozen=True, array_like=True, gc=False):
    """Somebody judged a definition. Contents: `reason`."""

    stands: ClassVar[Stands] = "alone"

    kind: DefinitionKind
    name: str
    digest: str
    verdict: Literal["accepted", "rejected"]
    by: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"reviewed/{self.id}"


class SecretUsed(Control, frozen=True, array_like=True, gc=False):
    """A secret was handed out for one act, of a call if there is one. Its value stands nowhere in the log."""

    stands: ClassVar[Stands] = "alone"

    name: str
    version: str
    id: str
    call: CallId | None = None
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"secret_used/{self.id}"


class Leased(Control, frozen=True, array_like=True, gc=False):
    """A process writes to this log until `until_us`, unless it leases it again. A later epoch fences off an older."""

    stands: ClassVar[Stands] = "alone"

    holder: str
    epoch: int
    until_us: int

    @property
    def key(self) -> str:
        return f"leased/{self.epoch}/{self.until_us}"


RunControl = (
    RunStarted
    | PlanStarted
    | Planned
    | Decided
    | WaitOpened
    | WaitClosed
    | Owned
    | CallStarted
    | CallProgressed
    | CallFinished
    | Signal
    | TimerFired
    | LimitReached
    | RunFinished
    | Declassified
    | Refused
    | SecretUsed
)
MailboxControl = (
    MailboxOpened
    | MessageReceived
    | TurnOpened
    | TurnClosed
    | MessageQueued
    | DeliveryAttempted
    | DeliverySettled
    | WaitOpened
    | WaitClosed
    | Owned
    | TimerFired
    | MailboxClosed
    | Declassified
    | Refused
)
TenantControl = LogOpened | Changed | Erased | Refused | Accessed | Pinned | Reviewed | SecretUsed | Leased

TYPES: dict[str, type[Control]] = {}
"""Every record type by name: the class's name in snake case."""

RESERVED = (Pinned, Reviewed, SecretUsed, Leased)
"""Read and verified from the first version on; nothing writes them yet."""

for _control in (*RunControl.__args__, *MailboxControl.__args__, *TenantControl.__args__):
    _control.type = re.sub(r"(?<!^)(?=[A-Z])", "_", _control.__name__).lower()
    TYPES[_control.type] = _control


class Unknown(Control, frozen=True, array_like=True, gc=False):
    """A fact of a type, or a version of one, that this program does not know: its key, and its control as stored.

    It verifies and can be taken away; no stream folds over it.
    """

    stands: ClassVar[Stands] = "alone"
    type: ClassVar[str] = "unknown"

    known_as: str
    data: bytes

    @property
    def key(self) -> str:
        return self.known_as


class Event(msgspec.Struct, frozen=True, gc=False):
    """A record as deciders see it: its position in the stream, when it was written, its control and its label."""

    n: int
    ts_us: int
    control: Control
    label: Label = EMPTY


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A record before it is appended."""

    control: Control
    contents: tuple[Content, ...] = ()
    label: Label = EMPTY


class Part(msgspec.Struct, frozen=True, gc=False):
    """Drafts for one stream, valid only if the stream has exactly `expected_n` records."""

    stream: StreamId
    expected_n: int
    drafts: tuple[Draft, ...]
