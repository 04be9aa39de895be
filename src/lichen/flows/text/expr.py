"""Conditions of routes and nodes: `response.action == "pay" and (vars.total >= 50 or not session.is_new)`.

Upstream knows one comparison (`==`, `!=`, `>=`, `<=`, `>`, `<`, `contains`); `and`, `or`, `not` and parentheses are
ours. Texts compare without case, the orders compare numbers, `contains` looks into a text, a list or an object. A
single word to the right of an operator that names nothing stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol, cast

from lichen.flows.text.reach import MISSING, Path, parse_path

CONDITION_CHARS_MAX: Final = 1_000
DEPTH_MAX: Final = 32

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
      | (?P<op>==|!=|>=|<=|>|<|&&|\|\||!|\(|\))
      | \{\{\s*(?P<braced>[^{}]+?)\s*\}\}
      | (?P<word>[A-Za-z_@$](?:[\w$.-]|\[[^\]]*\])*)
    )""",
    re.VERBOSE,
)
_CONSTANTS: Final = {"true": True, "false": False, "null": None, "none": None}
_COMPARING: Final = ("==", "!=", ">=", "<=", ">", "<", "contains")


class ExprError(ValueError):
    """A text is no condition. `offset` is the character, counted from 0, where it stops being one."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at character {offset + 1}")
        self.offset = offset


class Values(Protocol):
    """What paths are looked up in."""

    def get(self, path: Path) -> Any:
        """The value at a path, or MISSING."""
        ...


Test = Callable[[Values], Any]


class Condition(NamedTuple):
    """A parsed condition. `paths` are the values it reads."""

    text: str
    test: Test
    paths: tuple[Path, ...]


def holds(condition: Condition, context: Values) -> bool:
    """Whether the condition is true of these values. Never raises for what a value holds."""
    return _is_true(condition.test(context))


@lru_cache(4096)
def parse_condition(text: str) -> Condition:
    """The condition in `text`. Raises ExprError."""
    if len(text) > CONDITION_CHARS_MAX:
        raise ExprError(f"a condition has at most {CONDITION_CHARS_MAX} characters", CONDITION_CHARS_MAX)
    parser = _Parser(text)
    test = parser.any_of(0)
    if parser.token is not None:
        raise ExprError(f"{parser.token.text!r} is not expected", parser.token.offset)
    return Condition(text, test, tuple(parser.paths))


# -- parsing -----------------------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int

    @property
    def word(self) -> str:
        """The operator it is, whichever way that is written; empty for a value."""
        if self.kind not in ("op", "word"):
            return ""
        return {"&&": "and", "||": "or", "!": "not"}.get(self.text, self.text.lower())


class _Parser:
    """Recursive descent over the tokens; `token` is the next one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self.paths: list[Path] = []
        self.token: _Token | None = None
        self._advance()

    def any_of(self, depth: int) -> Test:
        """`a or b or …`."""
        tests = [self._all_of(depth)]
        while self._took("or"):
            tests.append(self._all_of(depth))
        return tests[0] if len(tests) == 1 else lambda values: any(_is_true(test(values)) for test in tests)

    def _all_of(self, depth: int) -> Test:
        tests = [self._negated(depth)]
        while self._took("and"):
            tests.append(self._negated(depth))
        return tests[0] if len(tests) == 1 else lambda values: all(_is_true(test(values)) for test in tests)

    def _negated(self, depth: int) -> Test:
        if depth > DEPTH_MAX:
            raise ExprError("the condition is nested too deeply", self._end)
        if self._took("not"):
            test = self._negated(depth + 1)
            return lambda values: not _is_true(test(values))
        return self._compared(depth)

    def _compared(self, depth: int) -> Test:
        left = self._operand(depth)
        operator = self.token.word if self.token else ""
        if operator not in _COMPARING:
            return left
        self._advance()
        right = self._operand(depth, may_be_word=True)
        compare = _COMPARE[operator]
        return lambda values: compare(left(values), right(values))

    def _operand(self, depth: int, *, may_be_word: bool = False) -> Test:
        token = self.token
        if token is None:
            raise ExprError("a value is missing", len(self._text))
        self._advance()
        match token.kind:
            case "string":
                return _constant(re.sub(r"\\(.)", r"\1", token.text[1:-1]))
            case "number":
                return _constant(float(token.text) if "." in token.text else int(token.text))
            case "op" if token.text == "(":
                inner = self.any_of(depth + 1)
                if not self._took(")"):
                    raise ExprError("a ) is missing", self.token.offset if self.token else len(self._text))
                return inner
            case "word" if token.text.lower() in _CONSTANTS:
                return _constant(_CONSTANTS[token.text.lower()])
            case "word" | "braced" if token.word not in ("and", "or", "not", "contains"):
                return self._path(token, may_be_word=may_be_word)
            case _:
                raise ExprError(f"{token.text!r} is not a value", token.offset)

    def _path(self, token: _Token, *, may_be_word: bool) -> Test:
        path = parse_path(token.text)
        if path is None:
            raise ExprError(f"{token.text!r} is no path", token.offset)
        self.paths.append(path)
        if may_be_word and len(path) == 1:
            return lambda values: token.text if (found := values.get(path)) is MISSING else found
        return lambda values: values.get(path)

    def _took(self, word: str) -> bool:
        if self.token is None or self.token.word != word:
            return False
        self._advance()
        return True

    def _advance(self) -> None:
        rest = self._text[self._end :]
        if not rest.strip():
            self.token = None
            return
        found = _TOKEN.match(self._text, self._end)
        if found is None or found.lastgroup is None:
            raise ExprError("this is no part of a condition", self._end + len(rest) - len(rest.lstrip()))
        self._end = found.end()
        self.token = _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))


def _constant(value: Any) -> Test:
    return lambda values: value


# -- comparing ---------------------------------------------------------------------------------------------------


def _is_true(value: Any) -> bool:
    return value is not MISSING and bool(value) and str(value).lower() != "false"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _word(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case _:
            return str(value).strip().casefold()


def equal(left: Any, right: Any) -> bool:
    """Whether two values say the same: numbers by value, texts without case, what is missing as null."""
    left, right = (None if value is MISSING else value for value in (left, right))
    if left is None or right is None or isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        return left == right
    if isinstance(left, str) and isinstance(right, str):
        return _word(left) == _word(right)
    a, b = _number(left), _number(right)
    return a == b if a is not None and b is not None else _word(left) == _word(right)


def _contains(left: Any, right: Any) -> bool:
    match left:
        case str():
            return right is not MISSING and right is not None and _word(right) in left.casefold()
        case list():
            return any(equal(item, right) for item in cast("list[Any]", left))
        case dict():
            return right in left
        case _:
            return False


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def of_numbers(left: Any, right: Any) -> bool:
        a, b = _number(left), _number(right)
        return a is not None and b is not None and compare(a, b)

    return of_numbers


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    ">=": _ordered(lambda a, b: a >= b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    "<": _ordered(lambda a, b: a < b),
    "contains": _contains,
}
