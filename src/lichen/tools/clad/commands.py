"""The words of a command: each placeholder is filled within its word, so no value becomes two words, or none.

A template is split before anything is filled in. Only what the manifest itself wrote, a mapping's words or a
conditional's, may become several words, and only where it stands alone. No shell reads any of it.

Source: ToolClad, command construction, and its execution vectors.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from lichen.core.ports.call import InvalidArguments, Issue
from lichen.tools.arguments.document import pointer
from lichen.tools.clad.manifest import Argument, CommandTable, CustomType, Manifest, Scalar, invalid
from lichen.tools.clad.values import FREE, Unfit, typed, written

WORDS_MAX: Final = 256
WORD_BYTES_MAX: Final = 64 * 1024
OUTPUT_FILE: Final = "_output_file"
SCAN_ID: Final = "_scan_id"
EVIDENCE: Final = "_evidence_dir"
ALL_CONDITIONALS: Final = "_conditional_flags"
_GIVEN: Final = (OUTPUT_FILE, SCAN_ID, EVIDENCE)
_PART: Final = re.compile(r"\{\{|\}\}|\{(_secret:)?([A-Za-z_][A-Za-z0-9_]*)\}")
_CLAUSE: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*(==|!=)\s*('[^']*'|\"[^\"]*\"|[^\s'\"]+)\s*")


class Clause(NamedTuple):
    """One comparison of a conditional."""

    argument: str
    is_equal: bool
    text: str


class Fragment(NamedTuple):
    """Words that are there where all (or any) of the clauses hold."""

    words: tuple[str, ...]
    clauses: tuple[Clause, ...]
    takes_any: bool


class Plan(NamedTuple):
    """A command as its manifest says it, split and checked."""

    arguments: Mapping[str, Argument]
    words: tuple[str, ...]
    is_list: bool
    table: CommandTable
    fragments: Mapping[str, Fragment]
    mappings: Mapping[str, str]  # placeholder -> argument
    options: tuple[str, ...]
    uses_file: bool


def planned(manifest: Manifest, types: Mapping[str, CustomType], place: str) -> Plan:
    """The command of a manifest. Raises Invalid (`manifest_invalid`) for what could never be run."""
    table = manifest.command or CommandTable()
    try:
        arguments = {name: typed(each, types) for name, each in manifest.args.items()}
        words = table.exec or _split(table.template)
        fragments = {
            f"_{name}": Fragment(_split(each.template), *_clauses(each.when, arguments))
            for name, each in table.conditionals.items()
        }
        plan = Plan(
            arguments, words, bool(table.exec), table, fragments, dict(_aliases(table)), manifest.lichen.options,
            any(OUTPUT_FILE in word for word in words),
        )  # fmt: skip
        if manifest.command is not None:
            _check(plan, manifest)
        for name, each in arguments.items():
            if each.default is not None and each.default != "":
                written(each, each.default)
            elif name in table.defaults:
                written(each, table.defaults[name])
    except (Unfit, ValueError) as error:
        raise invalid(f"Its command cannot be run: {error}.", place) from None
    return plan


def values(plan: Plan, given: Mapping[str, Any]) -> dict[str, str]:
    """Every argument as a word, with what stands where none was given. Raises InvalidArguments."""
    unknown = sorted(given.keys() - plan.arguments.keys())
    issues = [Issue(pointer((name,)), "unknown_field", "is no argument of it.") for name in unknown]
    found: dict[str, str] = {}
    for name, argument in plan.arguments.items():
        value: Scalar | None = given.get(name)
        if value is None:
            value = argument.default if argument.default is not None else plan.table.defaults.get(name)
        if (value is None or value == "") and argument.required:
            issues.append(Issue(f"/{name}", "missing_field", "is required."))
        elif value is None or value == "":
            found[name] = ""
        else:
            try:
                found[name] = written(argument, value)
            except Unfit as error:
                issues.append(Issue(f"/{name}", "invalid_format", f"{error}."))
    if issues:
        raise InvalidArguments(tuple(issues))
    return found


def words(plan: Plan, found: Mapping[str, str], given: Mapping[str, str]) -> tuple[str, ...]:
    """The words of the command. `given` is what the runtime fills in. Raises InvalidArguments for an option in place of
    a value."""
    filling = {name: str(value) for name, value in plan.table.defaults.items()} | dict(found) | dict(given)
    made = tuple(_words(plan, plan.words, filling, found))
    if len(made) > WORDS_MAX or sum(map(len, made)) > WORD_BYTES_MAX:
        raise InvalidArguments((Issue("", "invalid_length", "The arguments make a command that is too long."),))
    return made


# -- filling -------------------------------------------------------------------------------------------------------


def _words(plan: Plan, of: tuple[str, ...], filling: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    is_after_options = False
    for word in of:
        alone = _PART.fullmatch(word)
        name = alone[2] if alone is not None and alone[2] is not None else ""
        if name in plan.mappings or name in plan.fragments or name == ALL_CONDITIONALS:
            parts = tuple(_expanded(plan, name, filling, found))
            yield from (" ".join(parts),) if plan.is_list else parts
        elif name in found and not found[name] and not plan.is_list:
            continue  # an optional word of a template that nobody gave
        else:
            if name in found and not is_after_options:
                _check_option(plan, name, found[name])
            yield _filled(word, filling)
        is_after_options = is_after_options or word == "--"


def _expanded(plan: Plan, name: str, filling: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    if name in plan.mappings:
        argument = plan.mappings[name]
        yield from shlex.split(plan.table.mappings[argument].get(found.get(argument, ""), ""))
        return
    for each in plan.fragments if name == ALL_CONDITIONALS else (name,):
        fragment = plan.fragments[each]
        held = [_holds(clause, filling) for clause in fragment.clauses]
        if any(held) if fragment.takes_any else all(held):
            yield from _words(plan, fragment.words, filling, found)


def _holds(clause: Clause, filling: Mapping[str, str]) -> bool:
    return (filling.get(clause.argument, "") == clause.text) is clause.is_equal


def _check_option(plan: Plan, name: str, text: str) -> None:
    """A value that stands alone and begins with a hyphen would be an option that the manifest did not write."""
    is_free = plan.arguments[name].type in FREE and not plan.arguments[name].pattern
    if is_free and text.startswith("-") and name not in plan.options:
        raise InvalidArguments((Issue(f"/{name}", "invalid_format", "must not begin with a hyphen."),))


def _filled(word: str, filling: Mapping[str, str]) -> str:
    def part(match: re.Match[str]) -> str:
        return match[0][0] if match[2] is None else filling.get(match[2], "")

    return _PART.sub(part, word)


# -- reading -------------------------------------------------------------------------------------------------------


def _split(template: str) -> tuple[str, ...]:
    return tuple(shlex.split(template))


def _aliases(table: CommandTable) -> Iterator[tuple[str, str]]:
    """The placeholders of mappings: `_x_flags` and `_x` for argument `x`, and `_scan_flags` for `scan_type`."""
    for name in table.mappings:
        yield from ((f"_{name}_flags", name), (f"_{name}", name), (f"_{name.removesuffix('_type')}_flags", name))


def _clauses(when: str, arguments: Mapping[str, Argument]) -> tuple[tuple[Clause, ...], bool]:
    """The comparisons of a condition, and whether one of them is enough."""
    takes_any = " or " in when
    if takes_any and " and " in when:
        raise ValueError("a condition has `and` or `or`, not both")
    found: list[Clause] = []
    for part in when.split(" or " if takes_any else " and "):
        match = _CLAUSE.fullmatch(part)
        if match is None or match[1] not in arguments:
            raise ValueError("a condition compares arguments with == or !=")
        found.append(Clause(match[1], match[2] == "==", match[3].strip("'\"")))
    return tuple(found), takes_any


def _check(plan: Plan, manifest: Manifest) -> None:
    """Raises ValueError for words that nothing would ever fill, and for a program that arguments could choose."""
    if not plan.words or _PART.search(plan.words[0]):
        raise ValueError("its program is not written out")
    if manifest.tool.binary and plan.words[0].rpartition("/")[2] != manifest.tool.binary.rpartition("/")[2]:
        raise ValueError(f"it runs another program than its `binary`, {manifest.tool.binary}")
    known = {*plan.arguments, *plan.table.defaults, *_GIVEN, *plan.mappings, *plan.fragments, ALL_CONDITIONALS}
    several = {*plan.mappings, *plan.fragments, ALL_CONDITIONALS}
    fragments = [word for fragment in plan.fragments.values() for word in fragment.words]
    for word in (*plan.words, *fragments):
        for match in _PART.finditer(word):
            if match[1]:
                raise ValueError("a secret is no word of a command; give it in [lichen] env")
            if match[2] is not None and match[2] not in known:
                raise ValueError(f"nothing is called {match[2]!r}")
            if match[2] in several and (match[0] != word or word in fragments):
                raise ValueError(f"{match[2]!r} stands for whole words, and does not stand alone")
    for name in plan.table.mappings:
        if name not in plan.arguments:
            raise ValueError(f"a mapping is for {name!r}, which is no argument")
    for name in plan.options:
        if name not in plan.arguments:
            raise ValueError(f"`options` names {name!r}, which is no argument")
