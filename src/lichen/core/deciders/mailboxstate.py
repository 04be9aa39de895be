"""Everything that is known of a conversation: whose turn it is, what waits for one, what was asked, what goes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.plan import SpeakerRole
from lichen.core.words.ids import AgentName, MessageId, RunId, SessionId, TurnId, WaitId


class OpenTurn(msgspec.Struct, frozen=True, gc=False):
    """The turn that is open, and the run that has it."""

    id: TurnId
    run: RunId


class Queued(msgspec.Struct, frozen=True, gc=False):
    """A message waiting for its turn; its text is the content of record `n`."""

    message: MessageId
    n: int
    role: SpeakerRole = "customer"
    by: str = ""
    was_handed: bool = False  # to a person who did not read it


class Unsent(msgspec.Struct, frozen=True, gc=False):
    """A message on its way out; its text is the content of record `n`."""

    message: MessageId
    n: int
    kind: str
    attempt: int = 1
    is_in_flight: bool = False
    is_backing_off: bool = False
    is_doubtful: bool = False  # the attempt was cut off

    @property
    def was_tried(self) -> bool:
        """Whether it may be where it is to go."""
        return self.attempt > 1 or self.is_in_flight or self.is_backing_off or self.is_doubtful


REPLIES_MAX = 200  # to one question that are kept in mind


class Question(msgspec.Struct, frozen=True, gc=False):
    """A wait the customer may answer by writing. The newest takes the answer. `replies` are the records of what they
    wrote that did not answer it, the first REPLIES_MAX of them."""

    run: RunId
    wait: WaitId
    replies: tuple[int, ...] = ()


class Handover(msgspec.Struct, frozen=True, gc=False):
    """The hand-over of the conversation to a person: the wait of a run that stands for it.

    `by` is who attends to it, empty before somebody does. `unread` is what the customer wrote since they looked.
    `rest_us` is how long it may go unattended; 0 for ever.
    """

    run: RunId
    wait: WaitId
    by: str = ""
    unread: tuple[Queued, ...] = ()
    rest_us: int = 0

    @property
    def timer(self) -> str:
        """The timer that gives the conversation back."""
        return f"handover/{self.run}/{self.wait}"


class Summarised(msgspec.Struct, frozen=True, gc=False):
    """Where the newest summary of the conversation lies: record `n` of a run that is over."""

    run: RunId
    n: int


class MailboxState(msgspec.Struct, frozen=True, gc=False):
    """Everything `decide` needs, folded from controls alone. `n` counts the records of the stream."""

    id: SessionId
    n: int = 0
    agent: AgentName = AgentName("")
    subject: str = ""
    channel: str = ""
    delivery: Literal["pull", "push"] = "pull"
    double_texting: e.DoubleTexting = "enqueue"
    language: str = ""
    team: str = ""
    address_n: int | None = None  # the record whose content `address` says where messages are pushed to
    epoch: int = 1
    opened_us: int = 0

    queued: tuple[Queued, ...] = ()
    turn: OpenTurn | None = None
    questions: tuple[Question, ...] = ()
    outbox: Mapping[MessageId, Unsent] = {}
    timers: Mapping[str, int] = {}
    released: tuple[RunId, ...] = ()  # runs that gave their turn back and are not over

    received: int = 0  # number messages and turns
    turns: int = 0
    sent: int = 0
    is_closed: bool = False
    handover: Handover | None = None
    summarised: Summarised | None = None

    @property
    def outcome(self) -> str:
        """`closed` once no message is taken any more, else empty."""
        return "closed" if self.is_closed else ""

    @property
    def is_quiet(self) -> bool:
        """Whether no run has anything left to say here and everything said went out."""
        return self.turn is None and not self.released and not self.outbox

    @property
    def is_owing_customer(self) -> bool:
        """Whether something the customer said is not yet dealt with; a run that waits for somebody else is not."""
        return bool(self.queued) or (self.turn is not None and not self.questions)


def start_state(session: SessionId) -> MailboxState:
    """A mailbox of which nothing is known yet."""
    return MailboxState(id=session)
