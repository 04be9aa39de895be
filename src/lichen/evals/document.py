"""Files of evals: conversations, what is expected of them, and what may never happen, as people write it.

tenant = "shop"                                   # may be left out where the project has one
times = 3                                         # how often each case is held; what varies is the model

[never]                                           # holds for every case of the file
said = ["You are the support agent"]              # words that no agent may say: instructions, other people's data
claimed = [{ matches = "(?i)refund(ed)? .*way", without = "orders.refund" }]

[judge]                                           # asked what a rule cannot tell
model = "openai:gpt-5-mini"
rubric = "Is the reply polite, and does it answer what was asked?"

[judge.calibration]
agreement = 0.8                                   # with the labels below, else its verdicts count for nothing
cases = [{ customer = "Hi", agent = "Go away.", good = false }]

[[case]]
name = "a large refund waits for a person"
as = "customer-7"
replies = [{ calls = [{ tool = "orders.refund", args = { order_id = "1002", amount = 8000 } }] }, { text = "Done." }]

[[case.turn]]
says = "I want 80 EUR back for order 1002."
answer = { contains = ["approval"] }
calls = [{ tool = "orders.refund", args = { amount = 8000 }, decision = "hold" }]

[[case.turn]]
denies = "ops"
calls = [{ tool = "orders.refund", outcome = "denied" }]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.core.patterns.pattern import PatternError, compiled
from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid, NotFound
from lichen.testing.worlds.talk import Heard
from lichen.tools.arguments.schema import flaw

CODE = "eval_invalid"
FOLDER: Final = "evals"
FAULTS_MAX: Final = 100
FILE_BYTES_MAX: Final = 4 * 1024 * 1024

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Times = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Decision = Literal["", "allow", "deny", "hold"]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of such a file."""


class Answer(Record, frozen=True):
    """What the customer is told last. `fits` is JSON Schema for a reply that is JSON."""

    contains: Sequence[str] = ()
    lacks: Sequence[str] = ()
    matches: str = ""
    equals: str | None = None
    fits: Mapping[str, Any] | None = None


class CallMade(Record, frozen=True):
    """A call that is expected since the turn began: `args` are some of its arguments, the rest may be anything."""

    tool: str
    args: Mapping[str, Any] = {}
    decision: Decision = ""
    outcome: str = ""


class Turn(Record, frozen=True):
    """One thing that happens: the customer `says` something, with the fields that a form `sends` or these alone, or
    keeps silent for `waits_s`, or somebody `approves` or `denies` what waits. Then what is expected of it. Each of
    `calls` must have been made in this turn, and none of `no_calls`; `told` is all that the customer is told in it, and
    `visits` the nodes of flows that were visited, in order.
    """

    says: str | None = None
    sends: Mapping[str, Any] | None = None
    approves: str | None = None
    denies: str | None = None
    waits_s: float | None = None
    answer: Answer = Answer()
    outcome: Heard | Literal[""] = ""
    calls: Sequence[CallMade] = ()
    no_calls: Sequence[str] = ()
    judged: Part | None = None  # at least
    told: Sequence[str] | None = None
    visits: Sequence[str] | None = None

    @property
    def words(self) -> str | None:
        """What the customer says; the form as JSON where only that is sent, None where they say nothing."""
        if self.says is None and self.sends is not None:
            return msgspec.json.encode(self.sends).decode()
        return self.says


class Most(Record, frozen=True):
    """What a case may cost, all of its turns together."""

    calls: Count | None = None
    tokens: Count | None = None
    cost_usd: float | None = None
    seconds: float | None = None


class Stub(Record, frozen=True):
    """What a call of a tool gives in the place of the tool: for these arguments, or for any."""

    tool: str
    args: Mapping[str, Any] = {}
    result: Any = None
    facts: Any = None
    error: str = ""  # its code: the tool says that nothing was done


class ModelSays(Record, frozen=True):
    """A reply that a model is made to give."""

    text: str = ""
    calls: Sequence[ModelCalls] = ()


class ModelCalls(Record, frozen=True):
    """A call in it."""

    tool: str
    args: Mapping[str, Any] = {}


class Claim(Record, frozen=True):
    """Words that claim an effect, and the tool without whose success nobody may say them."""

    matches: str
    without: str


class Never(Record, frozen=True):
    """What no agent may do, whatever a model says. That no effect happens without a decision is held always."""

    said: Sequence[str] = ()
    claimed: Sequence[Claim] = ()


FaultPoint = Literal[
    "BeforeComponentCall", "AfterComponentCall", "BeforeToolCall", "AfterToolCall", "StateRead", "StateWrite",
    "TemplateRender", "PackResolve", "Timeout",
]  # fmt: skip
FaultKind = Literal["Transient", "Permanent", "Timeout", "Trap", "BadInput"]


class Often(Record, frozen=True, rename="pascal"):
    """How often a fault happens: `Nth`, the time of this number alone, or `Rate`, so many times in a hundred."""

    nth: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    rate: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None


class Fault(Record, frozen=True):
    """Something that fails on purpose at a point of a flow, always, once, or now and then. `flow`, `node` and `tool`
    say where alone. Source: greentic-runner, fault/mod.rs.
    """

    point: FaultPoint
    mode: Literal["Always", "Once"] | Often = "Once"
    error_kind: FaultKind = "Transient"
    message: str = ""
    flow: str = ""
    node: str = ""
    tool: str = ""

    @property
    def nth(self) -> int | None:
        """Which time alone, if it is one."""
        return self.mode.nth if isinstance(self.mode, Often) else None

    @property
    def rate(self) -> int | None:
        """How many times in a hundred, if it is now and then."""
        return self.mode.rate if isinstance(self.mode, Often) else None

    @property
    def told(self) -> str:
        """What is said of it."""
        return self.message or f"It fails on purpose ({self.point})."


class Case(Record, frozen=True, rename={"person": "as"}):
    """A conversation. `replies` are what the agent's model says, in order; without them it is asked itself. `faults`
    are where flows are made to fail, in an environment for development alone."""

    name: str
    turn: Sequence[Turn]
    person: str = "customer-1"
    agent: str | None = None
    channel: str = "webchat"
    language: str = ""
    times: Times | None = None
    replies: Sequence[ModelSays] | None = None
    stubs: Sequence[Stub] = ()
    at_most: Most = Most()
    never: Never = Never()
    faults: Annotated[Sequence[Fault], msgspec.Meta(max_length=FAULTS_MAX)] = ()


class Labelled(Record, frozen=True):
    """What a judge must judge as people did."""

    customer: str
    agent: str
    good: bool


class Calibration(Record, frozen=True):
    """The cases that people labelled, and how many of them a judge must judge as they did."""

    cases: Sequence[Labelled]
    agreement: Part = 0.8


class Judge(Record, frozen=True):
    """A model that says how well a reply keeps to the rubric, from 0 to 1. `replies` are a script in its place."""

    model: str
    rubric: str
    calibration: Calibration | None = None
    replies: Sequence[ModelSays] | None = None


class Suite(Record, frozen=True):
    """A whole file."""

    case: Sequence[Case]
    tenant: str | None = None
    env: str | None = None
    times: Times = 1
    never: Never = Never()
    judge: Judge | None = None
    faults: Annotated[Sequence[Fault], msgspec.Meta(max_length=FAULTS_MAX)] = ()


def suite_files(root: Path) -> list[Path]:
    """The eval files of a project. Raises NotFound (`evals_missing`)."""
    found = sorted((root / FOLDER).rglob("*.toml"))
    if not found:
        step = f"Write {FOLDER}/first.toml, or make one of a run: `lichen eval add RUN -o FILE`."
        raise NotFound(f"There are no evals below {root / FOLDER}.", code="evals_missing", next_step=step)
    return found


def read(path: Path) -> Suite:
    """The evals of a file.

    Raises NotFound (`eval_missing`), and Invalid (`eval_invalid`) whose place is the file and the pointer into it.
    """
    suite = _decoded(path)
    for number, case in enumerate(suite.case):
        _check(case, f"{path}#/case/{number}", has_judge=suite.judge is not None)
    _check_patterns(suite.never, f"{path}#/never")
    check_faults("eval_invalid", suite.faults, f"{path}#/faults")
    names = [case.name for case in suite.case]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _wrong(f"Two cases are named {twice!r}.", f"{path}#/case", "Give each its own name.")
    return suite


def _decoded(path: Path) -> Suite:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise _wrong(f"The file is larger than {FILE_BYTES_MAX} bytes.", str(path), "Split it.")
        return msgspec.convert(tomllib.loads(data.decode()), Suite)
    except msgspec.ValidationError as error:
        found = misfit(error)
        raise _wrong(f"{found.message}.", f"{path}#{found.pointer}") from None
    except FileNotFoundError:
        step = "Name a file that is there: `lichen eval add RUN -o FILE` makes one of a run."
        raise NotFound("There is no such file.", code="eval_missing", place=str(path), next_step=step) from None
    except OSError as error:
        raise _wrong(f"The file cannot be read: {error.strerror}.", str(path), "Name a file you may read.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(f"{error}.", str(path)) from None


def _check(case: Case, place: str, *, has_judge: bool) -> None:
    if not case.turn:
        raise _wrong("A case has at least one turn.", f"{place}/turn", "Add [[case.turn]] with `says`.")
    for number, turn in enumerate(case.turn):
        given = [each for each in (turn.words, turn.approves, turn.denies, turn.waits_s) if each is not None]
        if len(given) != 1:
            step = "Give it exactly one of `says` (or `sends`), `approves`, `denies`, `waits_s`."
            raise _wrong("A turn is one thing that happens.", f"{place}/turn/{number}", step)
        if turn.judged is not None and not has_judge:
            raise _wrong("There is no judge to ask.", f"{place}/turn/{number}/judged", "Add [judge] with a model.")
        _check_answer(turn.answer, f"{place}/turn/{number}/answer")
    _check_patterns(case.never, f"{place}/never")
    check_faults("eval_invalid", case.faults, f"{place}/faults")


def check_faults(code: str, faults: Sequence[Fault], place: str) -> None:
    """Raises Invalid with this code for one that does not say how often it happens."""
    for number, fault in enumerate(faults):
        if isinstance(fault.mode, Often) and (fault.nth is None) is (fault.rate is None):
            step = 'Write "Always", "Once", { Nth = 3 } or { Rate = 20 }.'
            message = "A fault happens at an `Nth` time, or at a `Rate`."
            raise Invalid(message, code=code, place=f"{place}/{number}/mode", next_step=step)


def _check_answer(answer: Answer, place: str) -> None:
    if answer.matches:
        _check_pattern(answer.matches, f"{place}/matches")
    wrong = flaw(answer.fits) if answer.fits is not None else None
    if wrong is not None:
        raise _wrong(wrong.message, f"{place}/fits{wrong.place}")


def _check_patterns(never: Never, place: str) -> None:
    for number, claim in enumerate(never.claimed):
        _check_pattern(claim.matches, f"{place}/claimed/{number}/matches")


def _check_pattern(pattern: str, place: str) -> None:
    try:
        compiled(pattern)
    except PatternError as error:
        raise _wrong(f"The pattern is wrong: {error}.", place) from None


def _wrong(message: str, place: str, step: str = "Correct the file at the place named.") -> Invalid:
    return Invalid(message, code=CODE, place=place, next_step=step)
