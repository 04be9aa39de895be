"""What becomes of a message of which nobody knows whether it came through, and of one that could not be taken."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.controls.control import Control, Ruling, Stands
from lichen.core.words.ids import MessageId

Doubt = Literal["repeat", "hold"]
"""What is done with a delivery that was cut off, where the platform shows a second one as another message: it goes
again, and may be there twice, or a person is asked, and it may not be there."""


class DeliveryDoubted(Control, frozen=True, array_like=True, gc=False):
    """Whether an attempt reached its customer is not known, nor can the platform be asked. `repeat`: the next attempt
    is made, at `due_us`. `hold`: the message is on its way no more, until a person says what became of it."""

    stands: ClassVar[Stands] = "begins"

    message: MessageId
    attempt: int
    decision: Doubt
    code: str = ""
    due_us: int = 0

    @property
    def key(self) -> str:
        return f"delivery_doubted/{self.message}/{self.attempt}"


class DeliveryResolved(Control, frozen=True, array_like=True, gc=False):
    """What became of a message after all, whose way had ended after `attempt`. A person said it of one that was
    undelivered or in doubt: it is there, it goes again, or it is not to go. Or its platform did: it is there, or it is
    not (`failed`), of one that it had taken. `n` is the record that holds it, `kind` that record's; contents: `code`,
    the platform's word for why."""

    stands: ClassVar[Stands] = "begins"

    message: MessageId
    n: int
    kind: Literal["answer", "say", "question", "notice", "reply"]
    attempt: int
    decision: Literal["delivered", "again", "dropped", "failed"]
    by: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"delivery_resolved/{self.message}/{self.attempt}"


class DeadLettered(Control, frozen=True, array_like=True, gc=False):
    """What a channel's platform brought, proven, and could not be taken. Contents: `letter` (JSON), `reason`, both
    under the sender's key where it is known who that is.

    `token` is the keyed digest of what makes it the same when it is brought again, `conversation` that of the
    conversation, where it has one.
    """

    stands: ClassVar[Stands] = "begins"

    channel: str
    token: str
    code: str
    conversation: str = ""
    subject: str = ""

    @property
    def key(self) -> str:
        return f"dead_lettered/{self.token}"


class LetterSettled(Control, frozen=True, array_like=True, gc=False):
    """A person had a dead letter, record `letter` of the stream, taken after all, or put it away."""

    stands: ClassVar[Stands] = "begins"

    letter: int
    decision: Literal["replayed", "dropped"]
    by: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"letter_settled/{self.letter}"
