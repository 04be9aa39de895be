"""How many ways a regular expression may have to try on the worst text, so that a slow one is refused beforehand.

Python's matcher goes back and tries again. Two repetitions that can take each other's characters multiply what there
is to try: `\\w+\\s?\\w+!` on a long word goes with the square, and a repetition inside a repetition with a power of the
text's length. A character between them that only one of the two can take fixes where one ends: `\\w+-\\w+` is cheap.
That the search may begin anywhere counts as a repetition of anything. What cannot be told is counted as slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count
from math import prod
from typing import Final, NamedTuple

LONG: Final = 4_096  # ways of a repetition without an end
WAYS_MAX: Final = 2 * LONG * LONG  # the search, one long repetition and an optional character
FEW: Final = 8  # a group repeated more often is a loop
STEPS_MAX: Final = 20_000
DEPTH_MAX: Final = 16  # of groups
_SAMPLE: Final = frozenset(map(chr, range(128))) | frozenset("\xa0éßщ中٣")

_TOKEN: Final = re.compile(
    r"""(?P<nothing>\(\?\#[^)]*\)|\(\?[aiLmsux]+\)|\\[AbBZ]|[\^$])
    |(?P<again>\\[1-9]\d?|\(\?P=\w+\))
    |(?P<open>\((?:\?(?:P<\w+>|\(\w+\)|<?[=!]|[aiLmsux-]*:|>))?)
    |(?P<close>\))
    |(?P<choice>\|)
    |(?P<times>(?:[*+?]|\{(?:\d+,?\d*|,\d*)\})[?+]?)
    |(?P<char>\\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|0[0-7]{0,2}|.)|\[\^?\]?(?:\\.|[^\]\\])*\]|.)""",
    re.VERBOSE | re.DOTALL,
)
_VERBOSE: Final = re.compile(r"\(\?[aiLmsu-]*x")
_TIMES: Final = re.compile(r"\{(\d*)(,?)(\d*)\}")

Chars = frozenset[str]


class Slow(Exception):
    """There may be too many ways to try; the message says of what."""


class _Item(NamedTuple):
    """Characters or a group, so many times. `most` is LONG or more where there is no end."""

    what: Chars | _Group
    least: int
    most: int


class _Group(NamedTuple):
    """Branches, of which one fits. An assertion takes no characters."""

    branches: tuple[tuple[_Item, ...], ...]
    is_assertion: bool = False


class _Choice(NamedTuple):
    """A choice that could still be made differently: what it may take, and what stands between it and here."""

    chars: Chars
    ways: int
    fences: frozenset[Chars]


_Choices = dict[int, _Choice]


def check(text: str) -> None:
    """Raises Slow for a regular expression that Python accepts and a hostile text could keep busy."""
    sample = _SAMPLE | set(text) | set(text.swapcase())
    expression = _group(_TOKEN.finditer(text), sample, 0, is_assertion=False)
    _Walk().group(expression, {0: _Choice(sample, LONG, frozenset())})


# -- reading -----------------------------------------------------------------------------------------------------


def _group(tokens: Iterator[re.Match[str]], sample: Chars, depth: int, *, is_assertion: bool) -> _Group:
    """The branches up to the group's end, or the expression's."""
    if depth > DEPTH_MAX:
        raise Slow("its groups are nested too deeply")
    branches: list[list[_Item]] = [[]]
    for token in tokens:
        match token.lastgroup:
            case "close":
                break
            case "choice":
                branches.append([])
            case "open":
                _refuse_verbose(token[0])
                inner = _group(tokens, sample, depth + 1, is_assertion=token[0].endswith(("=", "!")))
                branches[-1].append(_Item(inner, 1, 1))
            case "times":
                what = branches[-1].pop().what
                branches[-1].append(_Item(what, *_bounds(token[0])))
            case "again":  # whatever a group took
                branches[-1].append(_Item(sample, 0, LONG))
            case "char":
                branches[-1].append(_Item(_chars(token[0], sample), 1, 1))
            case _:
                _refuse_verbose(token[0])
    return _Group(tuple(map(tuple, branches)), is_assertion)


def _refuse_verbose(token: str) -> None:
    if _VERBOSE.match(token):
        raise Slow("it is written in the verbose way, which is not read here")


def _bounds(times: str) -> tuple[int, int]:
    found = _TIMES.match(times)
    if found is None:
        return (int(times[0] == "+"), 1 if times[0] == "?" else LONG)
    least = int(found[1] or 0)
    return least, (int(found[3]) if found[3] else LONG) if found[2] else least


def _chars(token: str, sample: Chars) -> Chars:
    """The characters of the sample that a token fits; all of them when it fits none, for then it fits others."""
    one = re.compile(token, re.IGNORECASE | re.DOTALL)
    return frozenset(char for char in sample if one.fullmatch(char)) or sample


# -- counting ----------------------------------------------------------------------------------------------------


class _Walk:
    """Goes through an expression with the choices that are open at each place."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._steps = 0
        self._repeated: frozenset[int] = frozenset()  # the choices of an earlier pass of the loops around

    def group(self, group: _Group, choices: _Choices) -> _Choices:
        """What is open behind one of the branches."""
        return _united([self._branch(branch, choices) for branch in group.branches])

    def _branch(self, branch: Iterable[_Item], choices: _Choices) -> _Choices:
        for item in branch:
            self._steps += 1
            if self._steps > STEPS_MAX:
                raise Slow("its groups repeat each other too often")
            if isinstance(item.what, _Group):
                choices = self._times(item.what, item, choices)
            else:
                choices = _fenced(choices, item.what) if item.least else choices
                choices = self._with_choice(choices, item.what, item.what, item.most - item.least + 1)
        return choices

    def _times(self, group: _Group, item: _Item, choices: _Choices) -> _Choices:
        if group.is_assertion:
            self.group(group, choices)  # nothing goes back into it
            return choices
        if item.most > FEW:
            choices = self._loop(group, item, choices)
        else:
            for number in range(item.most):
                passed = self.group(group, choices)
                choices = passed if number < item.least else _united([choices, passed])
        first, chars = _begins(group), _all_of(group)
        if _begin_alike(group):
            choices = self._with_choice(choices, first, chars, len(group.branches) ** min(item.most, FEW))
        return self._with_choice(choices, first, chars, item.most - item.least + 1)

    def _loop(self, group: _Group, item: _Item, choices: _Choices) -> _Choices:
        """Every pass may go differently, so that two ways in one are too many."""
        if _holds_repetition(group):
            raise Slow("it repeats a repetition")
        if _begin_alike(group):
            raise Slow("it repeats a choice whose branches begin alike")
        once = self.group(group, choices)
        outer, self._repeated = self._repeated, self._repeated | (once.keys() - choices.keys())
        self.group(group, once)
        self._repeated = outer
        return once if item.least else _united([choices, once])

    def _with_choice(self, choices: _Choices, first: Chars, chars: Chars, ways: int) -> _Choices:
        """With one more choice, of something that begins with `first` and takes `chars`. Raises Slow where it and those
        it can trade characters with are too many ways."""
        if ways < 2:
            return choices
        rivals = [id for id, choice in choices.items() if _are_rivals(choice, first)]
        if not self._repeated.isdisjoint(rivals):
            raise Slow("it repeats something that fits a text in more than one way")
        if ways * prod(choices[id].ways for id in rivals) > WAYS_MAX:
            raise Slow("its repetitions can take each other's characters; bound them, or put a sign between them")
        return {**choices, next(self._ids): _Choice(chars, ways, frozenset())}


def _are_rivals(choice: _Choice, chars: Chars) -> bool:
    return bool(choice.chars & chars) and all(fence & chars for fence in choice.fences)


def _fenced(choices: _Choices, fence: Chars) -> _Choices:
    """Behind a character that must be there: a choice that could not have taken it is settled."""
    return {
        id: choice._replace(fences=choice.fences | {fence}) for id, choice in choices.items() if choice.chars & fence
    }


def _united(ways: list[_Choices]) -> _Choices:
    found: _Choices = {}
    for choices in ways:
        for id, choice in choices.items():
            known = found.get(id)
            found[id] = choice if known is None else choice._replace(fences=choice.fences & known.fences)
    return found


def _begin_alike(group: _Group) -> bool:
    """Whether two branches can begin with the same character, or one with nothing."""
    if len(group.branches) == 1:
        return False
    begins = [_first(branch) for branch in group.branches]
    return None in begins or any(one & other for i, one in enumerate(begins) for other in begins[:i] if one and other)


def _begins(group: _Group) -> Chars:
    """What a group can begin with; all that is in it when it may be empty."""
    begins = [_first(branch) for branch in group.branches]
    return frozenset[str]().union(*(begin or _all_of(group) for begin in begins))


def _holds_repetition(group: _Group) -> bool:
    items = [item for branch in group.branches for item in branch]
    return any(item.most > FEW or (isinstance(item.what, _Group) and _holds_repetition(item.what)) for item in items)


def _first(branch: tuple[_Item, ...]) -> Chars | None:
    """What a branch can begin with; None when it may be empty."""
    found: Chars = frozenset()
    for item in branch:
        if isinstance(item.what, _Group):
            inner = [None] if item.what.is_assertion else [_first(each) for each in item.what.branches]
            found = found.union(*(each for each in inner if each))
            is_empty = None in inner or not item.least
        else:
            found, is_empty = found | item.what, not item.least
        if not is_empty:
            return found
    return None


def _all_of(group: _Group) -> Chars:
    found: Chars = frozenset()
    for branch in group.branches:
        for item in branch:
            found |= _all_of(item.what) if isinstance(item.what, _Group) else item.what
    return found
