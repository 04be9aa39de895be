"""What a planner is asked and what it may say. An LLM, a rule table and a flow graph all speak this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from lichen.core.memory.events import NO_MEMORY, Memory
from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import Issue, Outcome, Recovery, Retry, ToolSpec
from lichen.core.ports.model import Deltas, ModelHandle
from lichen.core.ports.recovery import FailureKind
from lichen.core.speech.saying import TEXT_BYTES_MAX as TEXT_BYTES_MAX
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import NotFound
from lichen.core.words.failure import Failure
from lichen.core.words.ids import AgentName, CallId, RunId, SessionId, ToolName, TurnId, WaitId
from lichen.core.words.scope import Actor, Scope
from lichen.core.words.wait import OnExpiry, WaitKind, WaitOutcome

PlanReason = Literal["start", "resume", "finalize"]
Resume = Literal["all", "each"]
SpeakerRole = Literal["customer", "operator", "service"]
STATE_BYTES_MAX = 64 * 1024
SUMMARY_CHARS_MAX = 16 * 1024
REDACT = "/redact"  # behind a call's id the name of the content that lists the fields of its result to be hidden


class CallRequest(msgspec.Struct, frozen=True, gc=False):
    """A call the planner wants. `args` is JSON; the tool's schema decides whether it is right.

    `timeout_s` may shorten the tool's own for each attempt. `retry` stands in for the tool's own; of a tool that may
    run again under the same key it also covers failures and timeouts that the tool did not report as NotDone.
    `redact` are fields of the result whose values no view of the run shows.
    """

    tool: ToolName
    args: bytes
    timeout_s: float | None = None
    retry: Retry | None = None
    redact: tuple[str, ...] = ()


class Awaited(msgspec.Struct, frozen=True):
    """One of the results that an external wait waits for: its `id`, what is wanted, and the JSON Schema it must fit."""

    id: str
    asks: Mapping[str, Any] = {}
    result_schema: Mapping[str, Any] = {}


class WaitRequest(msgspec.Struct, frozen=True):
    """Something the planner cannot go on without: a `clarification` from the customer, their `confirmation`, an
    `approval` by somebody else, a `handover` to a person, an `external` result, a `timer`.

    `public_text` is what the customer is asked or told; without it a clarification waits for the next message in
    silence. `operator` is what whoever approves is shown. `on_expiry="resume"` hands an expired answer to the planner,
    `deny` fails the run.

    `answer_schema`, JSON Schema 2020-12 without references, is what the words of a clarification or an external
    `result` must fit; of a choice (`enum`) customers are offered the members. An external wait that `awaits` takes
    `{"results": [{"id": …, "result": …}, …]}` with each of these ids once; instead of a `result` one may have an
    `error`, an object.
    """

    kind: WaitKind
    public_text: str = ""
    may_answer: tuple[str, ...] = ("customer",)
    expires_s: float | None = None
    on_expiry: OnExpiry = "resume"
    answer_schema: Mapping[str, Any] = {}
    operator: Mapping[str, Any] = {}
    awaits: tuple[Awaited, ...] = ()


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What to do next: calls, waits, messages to send meanwhile, or the answer that ends the run.

    `state` is recorded and handed back. `resume="each"` asks for a plan after every call and wait that is over instead
    of the last; as long as some are open, such a plan may say nothing and wait for the next of them. `withdraws` are
    waits of earlier plans that nobody needs to answer any more. A plan with an answer has no
    calls or waits; any other plan with nothing at all is an error. `failure` ends the run as failed with this code,
    which goes into the records and so holds nothing a stranger wrote; such a plan has only `says` and `notes` besides,
    and `because`, why it failed, which is sealed and for operators.
    `blocks` is opaque and recorded with the plan: what a provider wants back with its next request, or the replies that
    a planner serves again; `Step.blocks` hands it back. `synthesize` asks for the next plan without tools, once every
    call of this one came out well and nobody said anything new. A plan of nothing but `blocks` keeps them in the log,
    and the next plan is due at once. `stops`: an answer ends the calls that are open still, as the run's end by force
    would; else the run ends once they have.
    `value` is the answer as JSON: what a run has to give whose answers have a type, and then the words of the answer
    will do if they are it. `summary` is recorded, and read by this run's plans and, unless it is one of its own steps,
    by those of the runs that follow in its session; a plan may be nothing else. `prompts` names the prompts it was made
    with: `support@3#1f0c8a2b4d6e`.
    """

    calls: tuple[CallRequest, ...] = ()
    waits: tuple[WaitRequest, ...] = ()
    says: tuple[str | Saying, ...] = ()
    answer: str | Saying | None = None
    state: bytes = b""
    resume: Resume = "all"
    notes: tuple[str, ...] = ()
    failure: str = ""
    blocks: bytes = b""
    synthesize: bool = False
    stops: bool = False
    value: bytes = b""
    prompts: tuple[str, ...] = ()
    summary: Summary | None = None
    because: Failure | None = None
    withdraws: tuple[WaitId, ...] = ()


class Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One message of the conversation. `by` is the pseudonym of who spoke, empty where the runtime did.

    Who spoke decides the role: only the customer, or a channel that vouches for them, speaks as `customer`. `data` is
    JSON that came with it: what a run was started with, or what its channel knows beside the words, such as
    `metadata`, `attachments` and the `value` of a form. None when there is none.
    """

    role: Literal["customer", "agent", "operator", "service", "system"]
    text: str
    by: str = ""
    data: Any = None


class CallResult(msgspec.Struct, frozen=True, gc=False):
    """How one call of the last plan ended. `data` is the result as JSON when `outcome` is ok.

    Of any other, `kind` says what went wrong and `recovery` what can be done about it; `example` are arguments, as
    JSON, that fit where these did not. `reminder` is what a model is told beside the result, `run` the run that
    executed the call of an agent. `foreign_code` is what a stranger who was asked calls the failure.
    """

    call: CallId
    tool: ToolName
    args: bytes
    outcome: Outcome
    data: bytes = b""
    code: str = ""
    reason: str = ""
    issues: tuple[Issue, ...] = ()
    kind: FailureKind = ""
    recovery: Recovery = ""
    example: bytes = b""
    reminder: str = ""
    run: RunId | None = None
    foreign_code: str = ""


class WaitAnswer(msgspec.Struct, frozen=True):
    """How one wait of the planner's own ended. `body` is JSON."""

    wait: WaitId
    kind: WaitKind
    outcome: WaitOutcome
    body: bytes = b""


class Step(msgspec.Struct, frozen=True):
    """One earlier plan of this run with its results in call order: what a transcript is made of."""

    says: tuple[str, ...]
    calls: tuple[CallRequest, ...]
    results: tuple[CallResult, ...]
    answers: tuple[WaitAnswer, ...] = ()
    inputs: tuple[Message, ...] = ()
    blocks: bytes = b""


class Summary(msgspec.Struct, frozen=True, omit_defaults=True):
    """Words that stand for the beginning of a conversation: for all that was said in it up to its record `upto`.

    With `steps` they stand for so many first steps of a run instead, and only that run reads them.
    """

    text: str
    upto: int
    steps: int = 0


class History(msgspec.Struct, frozen=True):
    """The conversation before this run, notes on runs of it that are still waiting, and this run's own steps.

    `positions` are the records of the conversation that hold the messages. `summary` stands for what was said before
    them, where a planner made one, in this run or an earlier one; `done` for the first of the steps, which are there
    all the same.
    """

    messages: tuple[Message, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    positions: tuple[int, ...] = ()
    summary: Summary | None = None
    done: Summary | None = None


class Left(msgspec.Struct, frozen=True):
    """What the run may still use. `micro_usd`: millionths of a US dollar for models, None for as much as it takes."""

    calls: int
    time_s: float
    tokens: int
    micro_usd: int | None = None


class RunContext(msgspec.Struct, frozen=True):
    """Which run this is, where, for whom. `attributes` are the caller's, and the `channel` of the session."""

    scope: Scope
    actor: Actor
    run: RunId
    agent: AgentName
    session: SessionId | None
    turn: TurnId | None
    step: int
    attributes: Mapping[str, str] = {}
    started_at_us: int = 0
    now_us: int = 0  # when the plan came to be due: the moment of the run's last record

    @property
    def language(self) -> str:
        """That of the session; empty where none is known."""
        return self.attributes.get("language", "")


class PromptText(msgspec.Struct, frozen=True):
    """A prompt as a file says it: its name, its version, empty for none, and its words with references in braces."""

    name: str
    version: str
    text: str


def no_file(reference: str) -> Awaitable[bytes]:
    """What a run has of files that it was sent none of. Raises NotFound (`attachment_unknown`)."""
    raise NotFound("There is no such file in this conversation.", code="attachment_unknown")


def anywhere(name: str, pack: str, flow: str, node: str, /) -> bool:
    """What may be come to where no rules of access are in force: everything."""
    return True


class PlanInput(msgspec.Struct, frozen=True):
    """Everything a planner may see. `history` is built on demand, so a planner that needs none costs none.

    `input` holds the messages that came since the last plan; `limit` names the limit when `reason` is finalize.
    `deltas` takes the pieces of a reply as they come, for whoever looks on. `answer_type` is what the answer has to be.
    `prompt` gives what the run's scope has in the place of a planner's own prompt of that name. `memory` is what
    happened before the run, read when it is asked. `file` gives the bytes of a file that came with a message, by the
    `contentUrl` of its attachment: they are read from the log then, and held by nobody. `calls_made` and `waits_made`
    count those of the run so far: the calls and waits of the plan get the ids that follow, `c<n>` and `w<n>` in order.
    `may_enter(name, pack, flow, node)`: whether a flow that is hosted under this name, or a node of it, may be come to;
    of the flow as a whole `node` is empty. While one plan is made the answer stays what it is.
    """

    run: RunContext
    reason: PlanReason
    attempt: int
    input: tuple[Message, ...]
    results: tuple[CallResult, ...]
    answers: tuple[WaitAnswer, ...]
    state: bytes
    tools: tuple[ToolSpec, ...]
    left: Left
    limit: str | None
    model: ModelHandle
    history: Callable[[], Awaitable[History]]
    deltas: Deltas | None = None
    answer_type: AnswerType | None = None
    prompt: Callable[[str], PromptText | None] = lambda name: None
    memory: Memory = NO_MEMORY
    file: Callable[[str], Awaitable[bytes]] = no_file
    calls_made: int = 0
    waits_made: int = 0
    may_enter: Callable[[str, str, str, str], bool] = anywhere


PlannerKind = Literal["rules", "llm", "flow", "own"]
"""What decides in an agent: a rule table, a language model, a flow, or a planner of one's own."""


@runtime_checkable
class Kinded(Protocol):
    """A planner that says what it is; one that does not is a planner of one's own."""

    @property
    def kind(self) -> PlannerKind:
        """What it decides by."""
        ...


class Planner(Protocol):
    """Decides what a run does next. One instance serves many runs at once and keeps nothing between plans.

    `pure` planners depend on the input alone: they run inline and their `digest` is pinned when a run starts.
    """

    @property
    def pure(self) -> bool:
        """Whether the same input always gives the same plan."""
        ...

    @property
    def digest(self) -> str:
        """Identifies the version of the rules, prompt or graph."""
        ...

    async def plan(self, input: PlanInput) -> Plan:
        """The next plan. Raising fails this attempt; the run tries a bounded number of times."""
        ...
