"""What came into a conversation, whose turn it was, and what went out."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.controls.control import Control, Ruling, Stands
from lichen.core.ports.plan import SpeakerRole
from lichen.core.speech.attached import Attached
from lichen.core.words.ids import AgentName, MessageId, RunId, TurnId, WaitId

DoubleTexting = Literal["enqueue", "interrupt", "merge", "reject"]


class MailboxOpened(Control, frozen=True, array_like=True, gc=False):
    """Contents: `actor` (JSON), `attributes` (JSON), `address` (where its channel pushes messages to). `locale` is a
    language the tenant declares; empty for its first. `team` is that whose channel or caller it came by, for good."""

    agent: AgentName
    subject: str
    channel: str
    delivery: Literal["pull", "push"] = "pull"
    double_texting: DoubleTexting = "enqueue"
    locale: str = ""
    ruling: Ruling | None = None
    has_address: bool = False
    team: str = ""


class MessageReceived(Control, frozen=True, array_like=True, gc=False):
    """Contents: `text`, `data` (JSON that came with it), `channel` (what its channel keeps with it), `id` (what its
    platform calls it), `address` (where
    messages go from now on), `schema` (JSON Schema that the answer is to fit), `overrides`
    (JSON: what its turn is held to), `attachment/<i>` (the bytes of a file that came with it).

    The record's actor is who sent it. `role` and `by` are whose words they are: the customer's where the customer sent
    them, or a channel that vouches for them; only those endorse.
    `token` is the HMAC of the sender's idempotency key, or the message id without one. `handed`: it goes to the person
    who has the conversation, and to no run. `attachments` says of each file what it is by its own bytes.
    """

    stands: ClassVar[Stands] = "begins"

    message: MessageId
    token: str
    disposition: Literal["queued", "joined", "answered", "rejected", "handed"]
    run: RunId | None = None
    wait: WaitId | None = None
    role: SpeakerRole = "customer"
    ruling: Ruling | None = None
    by: str = ""
    has_address: bool = False
    attachments: tuple[Attached, ...] = ()

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
    `refused`: policy did not let the run start, so there is none. `summary` is the run's record that holds a summary of
    the conversation, 0 for none."""

    turn: TurnId
    run: RunId
    outcome: Literal["answered", "released", "failed", "cancelled", "ended", "refused"]
    summary: int = 0

    @property
    def key(self) -> str:
        return f"turn_closed/{self.turn}{'/ended' if self.outcome == 'ended' else ''}"


class MessageQueued(Control, frozen=True, array_like=True, gc=False):
    """Contents: `text`, `card` and `attachments` (JSON), `suggestions` (JSON, of a question: answers it expects),
    `artifacts` (JSON, of an answer: where those of its run lie that are for the timeline), `metadata` (JSON, of the
    answer of a run that failed: of which kind the failure is).

    Leaves the process only once this is durable. Its label is that of the run that made it. A `reply` is what a person
    wrote who has the conversation; `by` is their pseudonym.
    """

    message: MessageId
    kind: Literal["answer", "say", "question", "notice", "reply"]
    turn: TurnId | None = None
    run: RunId | None = None
    token: str = ""  # what makes this message the only one of its kind, such as `answer/<run>`
    ruling: Ruling | None = None
    by: str = ""

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
    """How the attempt ended. `retry` waits until `due_us`; without that the next attempt is made at once. Contents,
    of a message that is there: `warnings` (JSON: codes of what its platform shows with less)."""

    message: MessageId
    attempt: int
    outcome: Literal["delivered", "retry", "failed"]
    code: str = ""
    due_us: int = 0

    @property
    def key(self) -> str:
        return f"delivery_settled/{self.message}/{self.attempt}"


class HandoverAttended(Control, frozen=True, array_like=True, gc=False):
    """A person has the conversation: they took it, or wrote in it.

    `read`: so many records of the session they had seen. `until_us`: the assistant has it again then, unless somebody
    attends to it before. `token` is the HMAC of the person's idempotency key, or an id without one.
    """

    stands: ClassVar[Stands] = "begins"

    run: RunId
    wait: WaitId
    by: str
    token: str
    read: int = 0
    until_us: int = 0
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"handover_attended/{self.token}"


class MailboxClosed(Control, frozen=True, array_like=True, gc=False):
    """No further message is taken."""

    code: str = ""
    ruling: Ruling | None = None
