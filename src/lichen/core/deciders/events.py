"""Every record type, what its stream is, and a record as deciders see it: before it is appended and after.

A type's control is in `lichen.core.controls`, in the file for what happens.
"""

from __future__ import annotations

import msgspec

from lichen.core.controls.calls import CallAsked, CallFinished, CallProgressed, CallStarted, Decided
from lichen.core.controls.control import Control
from lichen.core.controls.control import Ruling as Ruling
from lichen.core.controls.control import Stands as Stands
from lichen.core.controls.control import Unknown as Unknown
from lichen.core.controls.definitions import DefinitionKind as DefinitionKind
from lichen.core.controls.definitions import Pinned, Reviewed, Submitted
from lichen.core.controls.letters import DeadLettered, DeliveryDoubted, DeliveryResolved, LetterSettled
from lichen.core.controls.letters import Doubt as Doubt
from lichen.core.controls.mailbox import (
    DeliveryAttempted,
    DeliverySettled,
    HandoverAttended,
    MailboxClosed,
    MailboxOpened,
    MessageQueued,
    MessageReceived,
    TurnClosed,
    TurnOpened,
)
from lichen.core.controls.mailbox import DoubleTexting as DoubleTexting
from lichen.core.controls.plans import ModelAsked as ModelAsked
from lichen.core.controls.plans import Planned, PlanStarted
from lichen.core.controls.plans import PlannedCall as PlannedCall
from lichen.core.controls.runs import LimitReached, RunFinished, RunStarted, Signal
from lichen.core.controls.runs import Parent as Parent
from lichen.core.controls.runs import Pins as Pins
from lichen.core.controls.schedules import Ticked
from lichen.core.controls.schedules import TickStage as TickStage
from lichen.core.controls.streams import Declassified, Owned, Refused, SecretUsed, TimerFired
from lichen.core.controls.tenant import Accessed, Changed, Erased, Leased, LogOpened
from lichen.core.controls.tenant import ChangeKind as ChangeKind
from lichen.core.controls.waits import WaitClosed, WaitOpened
from lichen.core.words.content import Content
from lichen.core.words.ids import StreamId
from lichen.core.words.label import EMPTY, Label

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
    | CallAsked
)
MailboxControl = (
    MailboxOpened
    | MessageReceived
    | TurnOpened
    | TurnClosed
    | MessageQueued
    | DeliveryAttempted
    | DeliverySettled
    | DeliveryDoubted
    | DeliveryResolved
    | HandoverAttended
    | WaitOpened
    | WaitClosed
    | Owned
    | TimerFired
    | MailboxClosed
    | Declassified
    | Refused
)
TenantControl = (
    LogOpened
    | Changed
    | Erased
    | Refused
    | Accessed
    | Pinned
    | Reviewed
    | SecretUsed
    | Leased
    | Submitted
    | DeadLettered
    | LetterSettled
    | Ticked
)

_CONTROLS = (*RunControl.__args__, *MailboxControl.__args__, *TenantControl.__args__)
TYPES: dict[str, type[Control]] = {control.type: control for control in _CONTROLS}
"""Every record type by name."""

RESERVED = (Leased,)
"""Read and verified from the first version on; nothing writes them yet."""


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
