"""The one family of exceptions. Every error has a stable code, a cause in one sentence, and the next step."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.words.steps import STEPS

Kind = Literal[
    "internal", "invalid", "unauthenticated", "denied", "not_found", "conflict", "expired", "too_many", "unavailable",
    "full", "corrupt",
]  # fmt: skip
"""What a caller can do about an error: its family, which is the same in the process, over HTTP and in an exit code."""


class LichenError(Exception):
    """Root of every error Lichen raises on purpose.

    `code` is stable and documented, `kind` is the family it is of and `status` the family's number in HTTP (RFC 9110),
    `message` is the cause in one sentence, `next_step` tells the reader what to do, `place` says where
    (file:line:column, JSON pointer, stream position) when there is a where.
    Never carries a secret or text that a model wrote.
    """

    kind: ClassVar[Kind] = "internal"
    status: ClassVar[int] = 500
    code = "internal"
    next_step = "Run `lichen doctor`."

    def __init__(
        self, message: str, *, code: str | None = None, next_step: str | None = None, place: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.next_step = next_step or STEPS.get(self.code) or type(self).next_step
        self.place = place

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"{self.code}{where}: {self.message} {self.next_step}"


class Invalid(LichenError):
    """The input is wrong; sending it again unchanged will fail again."""

    kind = "invalid"
    status = 400
    code = "invalid"
    next_step = "Correct it at the place named, and try again."


class NotFound(LichenError):
    """The named thing does not exist, or not for this scope."""

    kind = "not_found"
    status = 404
    code = "not_found"
    next_step = "`lichen list` shows what there is: agents, tools, tenants, sessions."


class ContentErased(NotFound):
    """The content's key was destroyed: nobody can read it any more."""

    code = "content_erased"
    next_step = "Nothing brings it back; erasing is final."


class Unauthenticated(LichenError):
    """Nobody could be recognised in the request."""

    kind = "unauthenticated"
    status = 401
    code = "unauthenticated"
    next_step = "Send `Authorization: Bearer <key>` with a valid key."


class Denied(LichenError):
    """Identity or policy forbids it."""

    kind = "denied"
    status = 403
    code = "denied"
    next_step = "Ask an operator of the tenant."


class Conflict(LichenError):
    """Somebody else was first; read again and decide again."""

    kind = "conflict"
    status = 409
    code = "conflict"
    next_step = "Read the current state and decide again."


class Expired(LichenError):
    """The wait, key or token is past its time."""

    kind = "expired"
    status = 410
    code = "expired"
    next_step = "Start again with a fresh one."


class Unavailable(LichenError):
    """The runtime cannot take this now; nothing was accepted, and trying later is safe."""

    kind = "unavailable"
    status = 503
    code = "unavailable"
    next_step = "Try again later with the same idempotency key."


class Full(Unavailable):
    """There is no more room for this; nothing was accepted."""

    kind = "full"
    status = 507
    code = "full"
    next_step = "An operator makes room on the disk; then send it again."


class TooMany(LichenError):
    """Whoever asks does so too often or too much; `retry_after_s` says when they may ask again."""

    kind = "too_many"
    status = 429
    code = "too_many_requests"
    next_step = "Wait as long as Retry-After says, then go on more slowly."

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float = 1.0,
        code: str | None = None,
        next_step: str | None = None,
        place: str | None = None,
    ) -> None:
        super().__init__(message, code=code, next_step=next_step, place=place)
        self.retry_after_s = retry_after_s


class Corrupt(LichenError):
    """Stored bytes are not what was signed; the message names the first bad position."""

    kind = "corrupt"
    status = 500
    code = "corrupt"
    next_step = "Run `lichen log verify` and restore from a backup."


FAMILY: tuple[type[LichenError], ...] = (
    Invalid, Unauthenticated, Denied, NotFound, Conflict, Expired, TooMany, Unavailable, Full, Corrupt, LichenError,
)  # fmt: skip
"""The class of each kind."""
