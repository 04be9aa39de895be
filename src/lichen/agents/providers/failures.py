"""How providers fail, as one table: whatever their libraries raise, as a ModelError of a known kind.

What a provider wrote is never repeated: it may quote the key, or the prompt. Its own word for the error is, where it is
plainly a word.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Final

import httpx2
from pydantic_ai import exceptions as px

from lichen.agents.providers.facts import Facts
from lichen.agents.providers.transport import ReplyPacked, ReplyTooLarge
from lichen.core.ports.model import Connection, ModelError

REFUSED: Final = "refused the connection"
RETRY_AFTER_S_MAX: Final = 3_600.0

_UNSAID: Final = Connection()
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_]{2,47}")  # no digits: no key is spelt so
_FILTERED: Final = ("content_filter", "content_policy", "safety", "moderation")
_OF_SCHEMA: Final = re.compile(r"\b(schema|grammar)\b", re.IGNORECASE)
_CAUSES_MAX: Final = 12
_INCOMPLETE: Final = "without sending complete message body"  # how httpx says that a body was cut

_CATEGORIES: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    # what pydantic-ai sorts a provider's answer into, the more exact first
    (px.ModelContextWindowExceededError, "model_context_too_long", "the conversation is longer than the model reads"),
    (px.ModelAuthenticationError, "model_auth", "the key is not accepted, or may not use this model"),
    (px.ModelQuotaExceededError, "model_auth", "the quota or the credit of the account is used up"),
    (px.ModelNotFoundError, "model_request_invalid", "there is no such model, or the address is wrong"),
    (px.ModelRateLimitError, "model_rate_limited", "too many requests"),
    (px.ModelOverloadedError, "model_overloaded", "it is overloaded"),
    (px.ModelUnavailableError, "model_unavailable", "it is not available"),
    (px.ModelServerError, "model_unavailable", "it failed"),
    (px.ModelTimeoutError, "model_timed_out", "it took too long"),
    (px.ModelRequestTimeout, "model_timed_out", "it took too long"),
    (px.ModelConnectionError, "model_unavailable", "it could not be reached"),
    (px.ModelRequestRejectedError, "model_request_invalid", "the request is not accepted"),
    (px.ContentFilterError, "model_refused", "it would not answer this"),
    (px.ModelAPIError, "model_malformed", "the reply cannot be read"),
    (px.UnexpectedModelBehavior, "model_malformed", "the reply cannot be read"),
    (px.UserError, "model_request_invalid", "this model cannot do what is asked"),
    (NotImplementedError, "model_request_invalid", "this model cannot do what is asked"),
    (TimeoutError, "model_timed_out", "it took too long"),
    (httpx2.TimeoutException, "model_timed_out", "it took too long"),
    (httpx2.ConnectError, "model_unavailable", "it could not be reached"),
    (httpx2.HTTPError, "model_malformed", "the reply broke off"),
)
_STATUSES: Final = {
    408: ("model_timed_out", "it took too long"),
    413: ("model_context_too_long", "the request is larger than the provider takes"),
    429: ("model_rate_limited", "too many requests"),
    529: ("model_overloaded", "it is overloaded"),
}
_EXACT: Final = (px.ModelQuotaExceededError, px.ModelContextWindowExceededError)
_NEXT: Final = {
    "model_auth": "Look at the key in [models.{provider}] of lichen.toml or {variable}; `lichen doctor --ask` tries.",
    "model_request_invalid": "Look at its name and options; `lichen doctor --ask` tries.",
}


def failed(
    facts: Facts, name: str, error: Exception, *, over: Connection = _UNSAID, streamed: bool = False
) -> ModelError:
    """The error as one of ours, of a request `over` a connection. `streamed`: pieces of the reply had come already."""
    code, why = _kind(error, streamed=streamed)
    if code == "model_unavailable" and (cause := _unreached(error)):
        return unreached(facts, name, over, cause)
    status = error.status_code if isinstance(error, px.ModelHTTPError) else None
    word = _word(error)
    answered = f" ({', '.join(each for each in (str(status or ''), word) if each)})" if status or word else ""
    variable = facts.keys[0] if facts.keys else "its environment"
    step = _NEXT.get(code, "").format(provider=facts.name, variable=variable)
    wait_s = _retry_after_s(error)
    again = f"It wants no further request for {wait_s:.0f} s. " if wait_s else ""
    message = f"{name}: {why}{answered}. {again}{step}".strip()
    return ModelError(message, code=code, retry_after_s=wait_s)


def unreached(facts: Facts, name: str, over: Connection, cause: str) -> ModelError:
    """The error for an address at which nobody is: host and port of it, never the rest, which may hold a key."""
    where, said_by = facts.host_of(over) or f"the address of {facts.name}", facts.told_by(over)
    step = f"Look at {said_by}, and whether the server there runs" if said_by else "Look at the network"
    message = f"{name}: {where} {cause}. {step}; `lichen doctor --ask` tries."
    return ModelError(message, code="model_unavailable", is_refused=cause == REFUSED)


def key_missing(facts: Facts, name: str) -> ModelError:
    """The error for a provider that nobody gave a key for."""
    variable = " or ".join(facts.keys)
    step = f'Set {variable}, or say `key = "secret:NAME"` under [models.{facts.name}] in lichen.toml.'
    return ModelError(f"{name}: there is no key for {facts.name}. {step}", code="model_key_missing")


def url_missing(facts: Facts, name: str) -> ModelError:
    """The error for a provider that has no address of its own."""
    step = f"Set {facts.urls[0]}, or say `base_url` under [models.{facts.name}] in lichen.toml."
    return ModelError(f"{name}: nobody said where {facts.name} is. {step}", code="model_request_invalid")


def blames_schema(error: Exception) -> bool:
    """Whether a server says that it failed over a schema: Ollama and its like answer 500 to one that they can make no
    grammar of."""
    if not isinstance(error, px.ModelHTTPError) or error.status_code < 500:
        return False
    return _OF_SCHEMA.search(str(error.body)) is not None


def _kind(error: Exception, *, streamed: bool) -> tuple[str, str]:
    for cause in _causes(error):
        match cause:
            case ReplyTooLarge():
                return "model_malformed", "the reply is larger than is read"
            case ReplyPacked():
                return "model_malformed", "the reply is compressed, though it was asked not to be"
            case _:
                pass
    if any(type(cause).__name__ in _NO_KEY for cause in _causes(error)):
        return "model_key_missing", "there are no credentials for it"
    if isinstance(error, px.ModelHTTPError) and not isinstance(error, _EXACT) and error.status_code in _STATUSES:
        return _STATUSES[error.status_code]
    if isinstance(error, px.ModelAPIError) and _is_filtered(error):
        return "model_refused", "its provider's filter refused"
    if _broke_off(error, streamed=streamed):
        return "model_malformed", "the reply broke off"
    return next(
        ((code, why) for kind, code, why in _CATEGORIES if isinstance(error, kind)),
        ("model_malformed", f"its library failed with {type(error).__name__}"),
    )


_NO_KEY: Final = (
    "DefaultCredentialsError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "NoRegionError",
    "ProfileNotFound",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
)


def _unreached(error: Exception) -> str:
    """Why no connection came to be, as far as this machine says; empty where there was one."""
    for cause in _causes(error):
        match cause:
            case ConnectionRefusedError():
                return REFUSED
            case socket.gaierror():
                return "is a name that is not known here"
            case httpx2.ConnectError() if not cause.__cause__ and not cause.__context__:
                return "could not be reached"
            case _:
                pass
    return ""


def _is_filtered(error: px.ModelAPIError) -> bool:
    said = f"{error.provider_error_code or ''} {error.provider_error_type or ''}".lower()
    return any(word in said for word in _FILTERED)


def _broke_off(error: Exception, *, streamed: bool) -> bool:
    """Whether the connection was lost in the middle of a reply: it was being read, and had begun."""
    if isinstance(error, px.ModelTimeoutError):
        return False
    if not isinstance(error, px.ModelConnectionError):
        return False
    return streamed or error.in_stream or any(_INCOMPLETE in str(cause) for cause in _causes(error))


def _word(error: Exception) -> str:
    if not isinstance(error, px.ModelAPIError):
        return ""
    said = error.provider_error_code or error.provider_error_type or ""
    return said if _WORD.fullmatch(said) else ""


def _retry_after_s(error: Exception) -> float | None:
    wait = error.retry_after if isinstance(error, px.ModelAPIError) else None
    return None if wait is None else min(max(wait, 0.0), RETRY_AFTER_S_MAX)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came of."""
    current: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if current is None:
            return
        yield current
        several = getattr(current, "exceptions", ())  # of several addresses of one name: as the first
        current = several[0] if several else current.__cause__ or current.__context__
