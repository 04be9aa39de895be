"""Tests of flows by themselves: the cases beside a flow, `NAME.test.toml`, held without a project or a server."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec

from lichen.core.words.errors import NotFound
from lichen.evals.document import read
from lichen.evals.holding import Progress, tried
from lichen.evals.plays.standins import alone
from lichen.evals.report import Report
from lichen.runtime.trials.result import Tried

SUFFIX: Final = ".test.toml"
FLOW: Final = ".ygtc"


def flow_tests(paths: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Flows with the files of their tests: those named, by either, or all in a folder that have some.

    Raises NotFound (`flow_missing`, `flow_tests_missing`).
    """
    found: dict[Path, Path] = {}
    for path in paths:
        files = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [_tests(path)]
        if not files:
            step = f"Write one beside a flow: NAME{SUFFIX}."
            raise NotFound(f"There are no tests of flows in {path}.", code="flow_tests_missing", next_step=step)
        found |= {_flow(file): file for file in files}
    return list(found.items())


def _tests(path: Path) -> Path:
    return path if path.name.endswith(SUFFIX) else path.with_suffix(SUFFIX)


def _flow(tests: Path) -> Path:
    flow = tests.with_name(tests.name.removesuffix(SUFFIX) + FLOW)
    for path, code, step in (
        (tests, "flow_tests_missing", f"Write it: cases as in `lichen eval`, in {tests.name}."),
        (flow, "flow_missing", f"Name the tests of a flow as the flow: {flow.name}."),
    ):
        if not path.is_file():
            raise NotFound(f"There is no file {path}.", code=code, next_step=step)
    return flow


async def flows_tried(tests: Iterable[tuple[Path, Path]], told: Progress = lambda name, number, is_met: None) -> Report:
    """Holds every case of these tests, each in a world of its own. Raises what a flow or a file makes impossible."""
    cases: list[Tried] = []
    for flow, file in tests:
        suite = read(file)
        for case in suite.case:
            project, held = alone(flow, case)
            one = msgspec.structs.replace(suite, case=[held], tenant=None, env=None)
            cases += (await tried(project, [(file, one)], times=None, told=told)).cases
    return Report(tuple(cases), {}, version=version("lichen"), kept=(), interrupted=False)


def junit(report: Report) -> bytes:
    """What came of tests as JUnit's XML, which other programs read."""
    failed = [case for case in report.cases if case.met < len(case.trials)]
    root = Element("testsuite", name="lichen flow test", tests=str(len(report.cases)), failures=str(len(failed)))
    for case in report.cases:
        at = SubElement(root, "testcase", classname=case.file, name=case.name)
        first = next((trial for trial in case.trials if not trial.is_met), None)
        if first is not None:
            said = [f"{miss.place}: {miss.message}" for miss in first.missed] or [f"stopped with {first.error}"]
            SubElement(at, "failure", message=said[0]).text = "\n".join(said)
    return tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
