"""Cedar text cut into statements and tokens, so that an error can say file, line and column.

cedarpy names neither; policy number n of a text is its n-th statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

_TOKEN = re.compile(r'\s+|//[^\n\r]*|"(?:\\.|[^"\\])*"|[A-Za-z_]\w*|\d+|::|==|!=|<=|>=|&&|\|\||.', re.DOTALL)

_LINKS = (".", "[", "]", "has")  # what stands between the parts of a path
UNFINISHED = "unexpected end of input"  # what cedarpy says of a text that could still become a policy


class Token(msgspec.Struct, frozen=True, array_like=True):
    """A word or sign that begins at offset `start` of its file."""

    text: str
    start: int


class Statement(msgspec.Struct, frozen=True):
    """One policy of a file: `number` counts from 1, `source` is the text of the whole file."""

    file: str
    number: int
    source: str
    tokens: tuple[Token, ...]

    @property
    def text(self) -> str:
        """The policy as it was written, without what stands around it."""
        return self.upto(self.tokens[-1])

    def upto(self, token: Token) -> str:
        """The policy from its begin to the end of `token`."""
        return self.source[self.tokens[0].start : token.start + len(token.text)]

    def place(self, token: Token | None = None) -> str:
        """`file:line:column` of `token`, or of the statement's begin. Both count from 1."""
        start = (token or self.tokens[0]).start
        line = self.source.count("\n", 0, start) + 1
        column = start - self.source.rfind("\n", 0, start)
        return f"{self.file}:{line}:{column}"

    def find(self, *words: str) -> Token | None:
        """The last token of the first place where `words` stand one after the other, quoted or not."""
        tokens = [token for token in self.tokens if token.text not in _LINKS]
        texts = [token.text.strip('"') for token in tokens]
        for start in range(len(texts) - len(words) + 1):
            if texts[start : start + len(words)] == list(words):
                return tokens[start + len(words) - 1]
        return None


def statements(file: str, source: str) -> list[Statement]:
    """The policies of a file, in order. What follows the last semicolon is a statement too, if it is anything."""
    found: list[Statement] = []
    tokens: list[Token] = []
    for token in (Token(*each) for each in scan(source)):
        tokens.append(token)
        if token.text == ";":
            found.append(Statement(file, len(found) + 1, source, tuple(tokens)))
            tokens = []
    if tokens:
        found.append(Statement(file, len(found) + 1, source, tuple(tokens)))
    return found


def scan(source: str) -> Iterator[tuple[str, int]]:
    """Every word and sign of a text, and where it begins."""
    for match in _TOKEN.finditer(source):
        text = match[0]
        if not text.isspace() and not text.startswith("//"):
            yield text, match.start()


def offender(statement: Statement, error_of: Callable[[str], str | None]) -> Token:
    """The token at which `statement` stops being the begin of any policy.

    `error_of` parses a text and returns its error. The parser reads from left to right, so what is wrong stays
    wrong however the text goes on, and bisecting finds the first token that makes it wrong.
    """
    low, high = 0, len(statement.tokens) - 1
    while low < high:
        middle = (low + high) // 2
        if error_of(statement.upto(statement.tokens[middle])) in (UNFINISHED, None):
            low = middle + 1
        else:
            high = middle
    return statement.tokens[low]
