"""What is owed: by a run or a mailbox, to the world or to a log."""

from __future__ import annotations

from typing import Literal

import msgspec

from lichen.core.words.ids import CallId, ObligationId

Verb = Literal["plan", "check", "exec", "settle", "child-cancel", "finish", "turn", "deliver", "doubt"]


class Obligation(msgspec.Struct, frozen=True, gc=False):
    """Something that must be in flight. The id ends in a number and stands for this one piece of work: of an `exec`
    that of the decision which allows it, so no decision is acted on twice."""

    id: ObligationId
    verb: Verb
    call: CallId | None = None
