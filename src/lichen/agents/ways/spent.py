"""What the tries of one request took together."""

from __future__ import annotations

import msgspec

from lichen.core.ports.model import ModelError, ModelReply, lost_tries
from lichen.core.words.limits import Usage


class Spent:
    """Tries that failed: how many, and what they cost all the same."""

    def __init__(self) -> None:
        self.tries = 0
        self._usage = Usage()
        self._lost = 0

    def add(self, error: ModelError, *, was_shown: bool) -> None:
        """Counts a try that gave no reply. One that may have been billed without a word of it is lost."""
        self.tries += error.tries
        self._usage += error.usage
        self._lost += lost_tries(error, was_shown=was_shown)

    def replied(self, reply: ModelReply) -> ModelReply:
        """The reply of the try after these, with what all of them took."""
        if not self.tries:
            return reply
        is_silent = reply.usage == Usage() and self._usage != Usage()  # its part in the sum is missing
        lost = self._lost + reply.lost + is_silent
        return msgspec.structs.replace(
            reply,
            usage=self._usage + reply.usage,
            tries=self.tries + reply.tries,
            is_estimate=reply.is_estimate or lost > 0,
            lost=lost,
        )

    def failed(self, last: ModelError, *, is_over: bool = False) -> ModelError:
        """The error of all of them: the last one's, with what they took. Where nobody listens they were enough, and
        where whoever waits has waited long enough (`is_over`)."""
        return ModelError(
            str(last),
            code=last.code,
            retryable=last.retryable and not (last.is_refused or is_over),
            usage=self._usage,
            tries=self.tries,
            retry_after_s=last.retry_after_s,
            lost=self._lost,
            is_refused=last.is_refused,
            is_left_alone=last.is_left_alone,
        )
