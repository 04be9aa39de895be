"""A framework's own model as one of ours: asked in its own words, and failing in ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from lichen.core.ports.model import Deltas, ModelError, ModelReply, ModelRequest

_STATUSES: Final = {
    401: "model_auth", 403: "model_auth", 408: "model_timed_out", 413: "model_context_too_long",
    429: "model_rate_limited", 503: "model_unavailable", 529: "model_overloaded",
}  # fmt: skip
_WORDS: Final = (
    ("ContentFilter", "model_refused"),
    ("Refus", "model_refused"),
    ("ContextWindow", "model_context_too_long"),
    ("Authentication", "model_auth"),
    ("PermissionDenied", "model_auth"),
    ("RateLimit", "model_rate_limited"),
    ("Timeout", "model_timed_out"),
    ("Connect", "model_unavailable"),
)
_CAUSES_MAX: Final = 8


class Native:
    """One request to a framework's own model. What the run is told of it is ours; what is sent is the framework's."""

    def __init__(self, name: str, ask: Callable[[Deltas | None], Awaitable[ModelReply]]) -> None:
        self.name = name
        self._ask = ask

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """What the framework's model says; its words go to `deltas` as they come, where it can. Raises ModelError."""
        try:
            return await self._ask(deltas)
        except ModelError:
            raise
        except Exception as error:  # noqa: BLE001 - a framework's client may raise anything
            raise failed(self.name, error) from None


def failed(name: str, error: Exception) -> ModelError:
    """The error of the model `name`, told by the status that its client met or by its type: every client names them
    alike. `model_failed`, which may be tried again, where neither tells."""
    code = next((code for cause in _causes(error) if (code := _code(cause))), "")
    kind = type(error).__name__
    if not code:
        return ModelError(f"{name} failed with {kind}.", code="model_failed", retryable=True)
    return ModelError(f"{name} failed with {kind}.", code=code)


def _code(error: BaseException) -> str:
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return _STATUSES.get(status) or ("model_unavailable" if status >= 500 else "model_request_invalid")
    return next((code for word, code in _WORDS if word in type(error).__name__), "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__
