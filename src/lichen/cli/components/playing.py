"""A component's own tests: the questions of `tests/*.test.toml`, asked of what was built, and what differs.

The questions of a case share their state. A component has what its manifest declares and nothing else: secrets are
those of the case, the network is the answers of the case.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec

from lichen.cli.components.trying import Around, MemoryStates, Trial, Tried, invocation
from lichen.core.components.capabilities import Capabilities
from lichen.core.words.errors import Invalid, NotFound
from lichen.tools.egress.reach import NotReached, Reach, Request, Response

SUFFIX: Final = ".test.toml"
FILE_BYTES_MAX: Final = 4 * 1024 * 1024
FILES_MAX: Final = 200


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the place of the network: the answer to every request with this method and URL."""

    url: str
    method: str = "GET"
    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = {}


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, and what is expected: the whole answer (`gives`), or the code of a failure (`fails`)."""

    op: str
    input: Any = msgspec.field(default_factory=dict[str, Any])
    gives: Any = msgspec.UNSET
    fails: str | None = None


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Questions that share their state."""

    name: str
    ask: list[Ask]
    config: Mapping[str, Any] | None = None
    secrets: Mapping[str, str] = {}
    http: list[Reply] = []


class Cases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of cases."""

    case: list[Case]


class Played(msgspec.Struct, frozen=True):
    """What came of a case: what differs, which is nothing where it went as expected."""

    file: str
    name: str
    missed: tuple[str, ...] = ()


class Scripted(Reach):
    """The answers of a case in the place of the network. A request that none is for reaches nothing."""

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__()
        self._replies = {(each.method.upper(), each.url): each for each in replies}

    async def ask(
        self, request: Request, timeout_s: float, *, is_private: bool = False, bytes_max: int = FILE_BYTES_MAX
    ) -> Response:
        """The answer that the case has for it. Raises NotReached."""
        found = self._replies.get((request.method, request.url))
        if found is None:
            raise NotReached(f"no answer for {request.method} {request.url}")
        body = found.body.encode()
        headers = {name.lower(): value for name, value in found.headers.items()}
        return Response(found.status, headers.get("content-type", ""), body[: bytes_max + 1], headers)


def played(folder: Path, wasm: Path, may: Capabilities) -> list[Played]:
    """Every case of a folder, asked of its component.

    Raises NotFound (`file_missing`, `component_tests_missing`, `extra_missing`), Invalid (`component_tests_invalid`,
    `component_…`).
    """
    files = sorted(folder.glob(f"tests/*{SUFFIX}"))[:FILES_MAX]
    if not files:
        step = f"Write one, tests/NAME{SUFFIX}; `lichen component new` shows how it looks."
        raise NotFound("It has no tests.", code="component_tests_missing", next_step=step, place=str(folder))
    suites = [(file, _cases(file)) for file in files]
    trial = Trial(wasm)
    return [
        Played(file.relative_to(folder).as_posix(), case.name, _missed(trial, case, may))
        for file, suite in suites
        for case in suite.case
    ]


def junit(cases: list[Played]) -> bytes:
    """What came of them as JUnit's XML, which other programs read."""
    failures = sum(1 for each in cases if each.missed)
    root = Element("testsuite", name="lichen component test", tests=str(len(cases)), failures=str(failures))
    for case in cases:
        at = SubElement(root, "testcase", classname=case.file, name=case.name)
        if case.missed:
            SubElement(at, "failure", message=case.missed[0]).text = "\n".join(case.missed)
    return tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _cases(file: Path) -> Cases:
    try:
        with file.open("rb") as held:
            data = held.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"it has more than {FILE_BYTES_MAX} bytes")
        found = msgspec.convert(tomllib.loads(data.decode()), Cases)
        for case in found.case:
            for ask in case.ask:
                if (ask.gives is msgspec.UNSET) == (ask.fails is None):
                    raise ValueError(f"a question of {case.name!r} has to say either `gives` or `fails`")
    except (OSError, ValueError, msgspec.ValidationError, RecursionError) as error:
        step = "Write [[case]] with a name, and [[case.ask]] with `op`, `input`, and `gives` or `fails`."
        message = f"These are no tests of a component: {error}."
        raise Invalid(message, code="component_tests_invalid", next_step=step, place=str(file)) from None
    return found


def _missed(trial: Trial, case: Case, may: Capabilities) -> tuple[str, ...]:
    """What of a case is not as expected; the first question that differs is the last that is asked."""
    hosts = tuple({urlsplit(each.url).netloc for each in case.http}) if may.http and not may.hosts else may.hosts
    around = Around(MemoryStates(), case.secrets, msgspec.structs.replace(may, hosts=hosts), Scripted(case.http))
    for number, ask in enumerate(case.ask, 1):
        came = trial.ask(invocation(ask.op, ask.input, case.config), around)
        said = _differs(ask, came)
        if said:
            notes = (*came.log.splitlines(), *came.refused)
            return (f"question {number}, {ask.op}: {said}", *notes)
    return ()


def _differs(ask: Ask, came: Tried) -> str:
    if came.failure is not None:
        failed = f"it failed with {came.failure.code}: {came.failure.message}"
        return "" if came.failure.code == ask.fails else failed
    if ask.fails is not None:
        return f"it was to fail with {ask.fails} and gave {json.dumps(came.payload)}"
    if came.payload == ask.gives:
        return ""
    return f"it was to give {json.dumps(ask.gives)} and gave {json.dumps(came.payload)}"
