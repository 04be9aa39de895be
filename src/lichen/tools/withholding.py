"""What a tool says, without the secrets it was handed: in results, in failures, and in the codes of failures."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast
from urllib.parse import quote, quote_plus

import msgspec

from lichen.core.ports.call import Issue
from lichen.core.ports.secrets import MASK, Secret
from lichen.core.words.failure import Failure

CHARS_MIN: Final = 8  # what is shorter stands in other words by chance
LINE_CHARS_MIN: Final = 16  # of a secret of several lines, such as a key in PEM
LINES_MAX: Final = 256
CODE: Final = "secret_withheld"  # stands where a tool wrote a secret into the code of its failure


class Withholding:
    """Takes these secrets out of whatever is said, however they are spelled there; `count` is how often."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        values = (secret.reveal_bytes() for secret in secrets)
        found = {each for value in values if len(value) >= CHARS_MIN for each in _spellings(value)}
        self._spellings = sorted((each for each in found if len(each) >= CHARS_MIN), key=len, reverse=True)
        self.count = 0

    def text(self, text: str) -> str:
        """The text without them."""
        for spelled in self._spellings:
            if spelled in text:
                self.count += text.count(spelled)
                text = text.replace(spelled, MASK)
        return text

    def code(self, code: str) -> str:
        """The code of a failure; one that holds a secret is no code any more."""
        return code if self.text(code) == code else CODE

    def json(self, data: bytes) -> bytes:
        """A JSON document without them, in its texts, the names of its fields, and its numbers."""
        before, value = self.count, self._value(msgspec.json.decode(data))
        return data if self.count == before else msgspec.json.encode(value)

    def issue(self, issue: Issue) -> Issue:
        """What is wrong with an argument, without them."""
        allowed = tuple(self.text(each) for each in issue.allowed)
        return Issue(self.text(issue.field), self.code(issue.constraint), self.text(issue.message), allowed)

    def failure(self, failure: Failure) -> Failure:
        """What went wrong, without them."""
        said = {name: self.text(getattr(failure, name)) for name in ("exception", "message", "traceback", "file")}
        return msgspec.structs.replace(failure, **said)

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(k): self._value(v) for k, v in cast("dict[str, Any]", value).items()}
            case list():
                return [self._value(each) for each in cast("list[Any]", value)]
            case bool() | None:
                return value
            case _:
                spelled = str(value)
                told = self.text(spelled)
                return value if told == spelled else told


def _spellings(data: bytes) -> Iterator[str]:
    """The ways in which programs write a value: as it is, quoted, escaped, encoded, and line by line."""
    text = data.decode("utf-8", "replace")
    for each in dict.fromkeys((text, text.strip())):
        yield each
        yield from (quote(each), quote(each, safe=""), quote_plus(each))
        yield from (repr(each)[1:-1], msgspec.json.encode(each).decode()[1:-1], ascii(each)[1:-1])
    yield from (data.hex(), data.hex().upper(), repr(data)[2:-1])
    for encoded in (b64encode(data), urlsafe_b64encode(data)):
        yield encoded.decode()
        yield encoded.decode().rstrip("=")
    lines = [line.strip() for line in text.splitlines()[:LINES_MAX]]
    yield from (line for line in lines if len(line) >= LINE_CHARS_MIN)
