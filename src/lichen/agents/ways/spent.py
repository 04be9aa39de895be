"""What the tries of one request took together."""

from __future__ import annotations

import msgspec

from lichen.core.ports.model import ModelError, ModelReply
from lichen.core.words.limits import Usage


class Spent:
    """Tries that failed: how many, and what they cost all the same."""

    def __init__(self) -> None:
        self.tries = 0
        self._usage = Usage()
        self._is_estimate = False

    def add(self, error: ModelError, *, was_shown: bool) -> None:
        """Counts a try that gave no reply. One that was under way for long cost something that nobody told us."""
        self.tries += error.tries
        self._usage += error.usage
        began = was_shown or error.code == "model_timed_out"
        self._is_estimate = self._is_estimate or (began and error.tries > 0 and error.usage == Usage())

    def replied(self, reply: ModelReply) -> ModelReply:
        """The reply of the try after these, with what all of them took."""
        if not self.tries:
            return reply
        return msgspec.structs.replace(
            reply,
            usage=self._usage + reply.usage,
            tries=self.tries + reply.tries,
            is_estimate=reply.is_estimate or self._is_estimate,
        )

    def failed(self, last: ModelError) -> ModelError:
        """The error of all of them: the last one's, with what they took."""
        return ModelError(
            str(last),
            code=last.code,
            retryable=last.retryable,
            usage=self._usage,
            tries=self.tries,
            retry_after_s=last.retry_after_s,
        )
