"""A platform's API, asked so that it is known afterwards whether a message may be there.

What did not leave goes again. What left and was not answered is unknown. A platform that is away is left alone for a
while, and one that wants fewer requests gets them when it says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from lichen.channels.port import Host
from lichen.core.ports.call import CircuitBreaker
from lichen.core.words.errors import Invalid, LichenError, Unavailable
from lichen.engine.ports import Delivery
from lichen.tools.breaker import Breaker, abandoned, admitted, answered, failed, opens_in_s
from lichen.tools.egress.reach import Gone, NotReached, Request, Response

TIMEOUT_S: Final = 15.0
ANSWER_BYTES_MAX: Final = 1024 * 1024
PAUSE_S_MIN, PAUSE_S_MAX = 0.5, 3_600.0
TERMS: Final = CircuitBreaker()
LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Answer(msgspec.Struct, frozen=True):
    """What a platform answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}

    @property
    def is_ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class NotSent(Exception):
    """Nothing left: `delivery` says when to try again, or that there is no use in it."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery.code)
        self.delivery = delivery


class CutOff(Exception):
    """It left, and nobody knows what became of it."""


class Api:
    """The API of one channel's platform under `base`, an https address; in development it may be one's own machine.

    Raises Invalid (`address_invalid`) for another.
    """

    def __init__(self, host: Host, base: str) -> None:
        parts = urlsplit(base)
        self._is_local = host.is_development and parts.hostname in LOCAL
        if (parts.scheme != "https" and not self._is_local) or not parts.hostname:
            step = "Give it an https address."
            raise Invalid("The address of a platform's API is https.", code="address_invalid", next_step=step)
        self.base, self.hostname = base.rstrip("/"), parts.hostname
        self._host, self._breaker = host, Breaker()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes = b"",
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """The answer to a request for a path below `base`, or for a whole address on the same host.

        Raises NotSent, CutOff.
        """
        sent = msgspec.json.encode(json) if json is not None else content
        named = {**({"Content-Type": media_type} if sent else {}), **(headers or {})}
        request = Request(method, self._address(path), tuple(named.items()), sent)
        now_us = self._host.now_us
        breaker = admitted(self._breaker, now_us())
        if breaker is None:
            raise NotSent(Delivery("retry", "platform_resting", opens_in_s(self._breaker, now_us())))
        self._breaker = breaker
        try:
            response = await self._host.reach.ask(request, timeout_s, is_private=self._is_local, bytes_max=bytes_max)
        except NotReached:
            self._breaker = failed(self._breaker, breaker.era, now_us(), TERMS)
            raise NotSent(Delivery("retry", "platform_unreachable")) from None
        except LichenError as error:
            self._breaker = abandoned(self._breaker, breaker.era)
            raise NotSent(Delivery("failed", error.code)) from None
        except (Gone, TimeoutError):
            self._breaker = failed(self._breaker, breaker.era, now_us(), TERMS)
            raise CutOff(request.method) from None
        except BaseException:
            self._breaker = abandoned(self._breaker, breaker.era)
            raise
        self._breaker = _noted(self._breaker, breaker.era, response, now_us())
        return Answer(response.status, response.body or b"", response.headers)

    def _address(self, path: str) -> str:
        if not path.startswith(("https://", "http://")):
            return f"{self.base}/{path.lstrip('/')}"
        base, parts = urlsplit(self.base), urlsplit(path)
        if (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
            raise NotSent(Delivery("failed", "address_invalid"))
        return path


def fields_of(answer: Answer) -> dict[str, Any]:
    """The fields of the object that a body is; none where it is another thing."""
    found = answer.json()
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _noted(breaker: Breaker, era: int, response: Response, now_us: int) -> Breaker:
    if response.status >= 500:
        return failed(breaker, era, now_us, TERMS)
    return answered(breaker, era, TERMS)


def delivery_of(answer: Answer, now_us: int, *, codes: Callable[[Answer], str] | None = None) -> Delivery:
    """What became of a message by the status of the answer: 2xx is delivered, 429 goes again when the platform says,
    another 4xx never; of a 5xx it is not known whether the platform has it. `codes` names what a refusal was for."""
    code = codes(answer) if codes is not None else ""
    match answer.status:
        case status if 200 <= status < 300:
            return Delivery("delivered")
        case 429:
            return Delivery("retry", code or "platform_busy", retry_after_s(answer, now_us))
        case 408 | 425:
            return Delivery("retry", code or f"status_{answer.status}")
        case status if 400 <= status < 500:
            return Delivery("failed", code or f"status_{status}")
        case status:
            return Delivery("unknown", code or f"status_{status}", retry_after_s(answer, now_us))


def retry_after_s(answer: Answer, now_us: int) -> float | None:
    """How long the platform wants to be left alone: seconds or a date of `Retry-After`, at most an hour."""
    said = answer.headers.get("retry-after", "").strip()
    try:
        pause_s = float(said) if said[:1].isdigit() else parsedate_to_datetime(said).timestamp() - now_us / 1e6
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(pause_s, PAUSE_S_MIN), PAUSE_S_MAX)


def away(platform: str) -> Unavailable:
    """That a platform could not be asked, for whoever sets a channel up."""
    step = "Look whether this machine reaches it, and its status page; then try again."
    return Unavailable(f"{platform} does not answer.", code="platform_unreachable", next_step=step)
