"""On which terms a call is made: the tool's own, or those its plan asked for."""

from __future__ import annotations

import msgspec

from lichen.core.ports.call import CallTerms, Retry
from lichen.engine.act import CallAct


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What holds for one call. `retries_all`: a failure that the tool did not report as NotDone is tried again too."""

    timeout_s: float
    retry: Retry
    retries_all: bool

    def may_retry(self, attempt: int, *codes: str) -> bool:
        """Whether a further attempt follows this one, whose failure has these codes."""
        return attempt < self.retry.attempts and (not self.retry.on or any(code in self.retry.on for code in codes))

    def pause_us(self, attempt: int) -> int:
        """How long to wait after this attempt: twice as long after each."""
        return int(self.retry.backoff_s * 2 ** (attempt - 1) * 1e6)


_TERMS = msgspec.json.Decoder(CallTerms)


def terms_of(act: CallAct) -> Terms:
    """The terms of a planned call. A plan may shorten the tool's time, never lengthen it; of an effect that may not be
    repeated only a tool that says NotDone, or a probe, lets it be tried again; of a child nothing that was done in it
    may be such an effect."""
    spec = act.tool.spec
    data = act.contents(act.call.n).get(f"{act.call.id}/terms")
    if data is None:
        return Terms(spec.timeout_s, spec.retry, retries_all=False)
    asked = _TERMS.decode(data)
    timeout_s = spec.timeout_s if asked.timeout_s is None else min(asked.timeout_s, spec.timeout_s)
    retries_all = asked.retry is not None and spec.effects != "once"
    return Terms(timeout_s, asked.retry or spec.retry, retries_all)
