"""Every code of an error, with its causes and what to do: collected from the source of the package.

A code stands in the source as `code="…"` beside the sentence that says the cause, as the class variable of an error,
as a constant, or as the argument of a function whose parameter is called `code`; all of these are found here.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import lichen
from docs.reference.markdown import code, table
from lichen.cli.errors import exit_code
from lichen.core.words.errors import LichenError
from lichen.core.words.steps import STEPS

SOURCE = Path(lichen.__file__).parent
CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
GAP = "…"  # what a program fills in
_CAUSES_MAX = 4
SPELLED = {f"{GAP}_unknown": ("agent_unknown", "flow_unknown", "tool_unknown")}  # codes of which a part is filled in


class Raised(NamedTuple):
    """One place that raises an error: its code, the class, the cause and the next step as far as it names them."""

    code: str
    kind: str
    cause: str
    step: str
    place: str


class Noted(NamedTuple):
    """One place that notes a finding about a flow."""

    code: str
    severity: str
    cause: str
    step: str


# -- the pages ---------------------------------------------------------------------------------------------------


def errors() -> str:
    """The table of all errors, in the order of their codes."""
    found: dict[str, list[Raised]] = {}
    for each in raised():
        found.setdefault(each.code, []).append(each)
    rows = [(_link(name), _ends(each), _causes(each), _steps(name, each)) for name, each in sorted(found.items())]
    return table(("code", "HTTP, exit", "cause", "what to do"), rows)


def findings() -> str:
    """The table of what is found in flows."""
    rows = {(code(n.code), n.severity, _shown(n.cause), _shown(n.step)) for n in noted()}
    return table(("code", "", "what is wrong", "what to do"), sorted(rows))


def failures() -> str:
    """The table of what calls, nodes of flows and models fail with: the codes that rules and routes can name."""
    causes: dict[str, list[str]] = {}
    for each in failed():
        causes.setdefault(each.code, []).extend([_shown(each.cause)] if each.cause.strip(f"{GAP}. ") else [])
    rows = ((code(name), "<br>".join(dict.fromkeys(said))) for name, said in sorted(causes.items()))
    return table(("code", "cause"), rows)


def _link(name: str) -> str:
    return f'<a id="{name}"></a>{code(name)}'


def _ends(found: list[Raised]) -> str:
    return "<br>".join(sorted({_end(classes()[each.kind]) for each in found}))


def _end(kind: type[LichenError]) -> str:
    return f"{kind.status}, {exit_code(kind.__new__(kind))}"


def _causes(found: list[Raised]) -> str:
    causes = list(dict.fromkeys(_shown(each.cause) for each in found if each.cause.strip(f"{GAP}. ")))
    causes = causes or [_shown((classes()[found[0].kind].__doc__ or "").partition("\n")[0])]
    more = f"<br>and {len(causes) - _CAUSES_MAX} more of the kind" if len(causes) > _CAUSES_MAX else ""
    return "<br>".join(causes[:_CAUSES_MAX]) + more


def _steps(name: str, found: list[Raised]) -> str:
    usual = [STEPS.get(name) or classes()[each.kind].next_step for each in found if not each.step]
    named = [each.step for each in found if each.step.strip(f"{GAP}. ")]
    return "<br>".join(list(dict.fromkeys(_shown(step) for step in [*named, *usual]))[:_CAUSES_MAX])


def _shown(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;").replace("{{", "{ {")


# -- the source --------------------------------------------------------------------------------------------------


_HOMES: dict[ast.AST, str] = {}  # the module of each function


@cache
def classes() -> dict[str, type[LichenError]]:
    """Every kind of error of the package, by name."""
    for module in pkgutil.walk_packages(lichen.__path__, "lichen."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[LichenError]] = [LichenError]
    for kind in found:
        found.extend(each for each in kind.__subclasses__() if each not in found)
    return {kind.__name__: kind for kind in found if kind.__module__.startswith("lichen.")}


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Every file of the package, parsed."""
    found: list[tuple[str, ast.Module]] = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
                _HOMES[node] = ".".join(("lichen", *path.relative_to(SOURCE).with_suffix("").parts))
        found.append((path.relative_to(SOURCE).as_posix(), tree))
    return tuple(found)


@cache
def raised() -> tuple[Raised, ...]:
    """Every error that is raised anywhere, with the code that is written there."""
    helpers = {h.name: h for _, tree in modules() for h in _helpers(tree)}
    found = [each for path, tree in modules() for each in _raised_in(path, tree, helpers)]
    own = [
        Raised(kind.code, name, (kind.__doc__ or "").partition("\n")[0], kind.next_step, kind.__module__)
        for name, kind in classes().items()
        if "code" in vars(kind)
    ]
    return (*found, *own)


@cache
def noted() -> tuple[Noted, ...]:
    """Every finding that the loader and the doctor of flows note."""
    found: list[Noted] = []
    for path, tree in modules():
        for call, around in _calls(tree) if path.startswith("flows/") else ():
            severity = {"error": "error", "refuse": "error", "warn": "warning"}.get(_name(call.func))
            if severity and len(call.args) >= 3 and (name := _text(call.args[1], around)) and CODE.fullmatch(name):
                step = _text(_keywords(call).get("next_step"), around)
                found.append(Noted(name, severity, _text(call.args[2], around), step))
    return tuple(found)


_FAILURES = {"Failed": ("code", "reason"), "NotDone": ("message", "code"), "ModelError": ("message", "code")}


@cache
def failed() -> tuple[Raised, ...]:
    """Every failure of a call, of a node or of a model that the package itself makes."""
    found: list[Raised] = []
    for path, tree in modules():
        for call, around in _calls(tree):
            if order := _FAILURES.get(_name(call.func)):
                given = {**dict(zip(order, call.args, strict=False)), **_keywords(call)}
                cause = _text(given.get("reason", given.get("message")), around)
                names = _codes(given.get("code"), around, tree)
                found += [Raised(name, _name(call.func), cause, "", f"{path}:{call.lineno}") for name in names]
    return tuple(found)


class Helper(NamedTuple):
    """A function that makes an error: the kind, and where its arguments say code, cause and next step."""

    name: str
    kind: str
    parameters: tuple[str, ...]


def _helpers(tree: ast.Module) -> Iterator[Helper]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = function.args
            names = tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))
            made = [c for c in ast.walk(function) if isinstance(c, ast.Call) and _name(c.func) in classes()]
            takes = [c for c in made if isinstance(v := _keywords(c).get("code"), ast.Name) and v.id == "code"]
            if "code" in names and takes:
                yield Helper(function.name, _name(takes[0].func), tuple(n for n in names if n not in ("self", "cls")))


def _raised_in(path: str, tree: ast.Module, helpers: dict[str, Helper]) -> Iterator[Raised]:
    for call, around in _calls(tree):
        name = _name(call.func)
        helper = helpers.get(name)
        if name in classes():
            given, kind = _keywords(call), name
            cause: ast.expr | None = call.args[0] if call.args else None
        elif helper is not None:
            given = {**dict(zip(helper.parameters, call.args, strict=False)), **_keywords(call)}
            kind = helper.kind
            cause = next((given[n] for n in ("message", "problem", "what") if n in given), None)
        else:
            continue
        step = _text(given.get("next_step", given.get("step")), around)
        for written in _codes(given.get("code"), around, tree):
            yield Raised(written, kind, _text(cause, around), step, f"{path}:{call.lineno}")


def _calls(tree: ast.AST, around: ast.AST | None = None) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Every call with the innermost function that holds it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield node, around or tree
        inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else around
        yield from _calls(node, inner)


def _codes(value: ast.expr | None, around: ast.AST, tree: ast.Module) -> list[str]:
    match value:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=first, orelse=second):
            return [*_codes(first, around, tree), *_codes(second, around, tree)]
        case ast.Name():
            text = _text(value, around) or _text(value, tree)
            return [text] if CODE.fullmatch(text) else []
        case ast.JoinedStr():
            return list(SPELLED.get(_text(value, around), ()))
        case _:
            return []


def _text(value: ast.expr | None, around: ast.AST) -> str:
    """A text as far as it is written there; what a program fills in is a gap."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(p.value) if isinstance(p, ast.Constant) else _filled(p, around) for p in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, around) + _text(right, around)
        case ast.IfExp(body=first, orelse=second):
            return _text(first, around) or _text(second, around)
        case ast.Name(id=name):
            assigned = (
                node.value
                for node in ast.walk(around)
                if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)
            )
            return next((text for each in assigned if (text := _text(each, ast.Module([], [])))), "")
        case _:
            return ""


def _filled(part: ast.expr, around: ast.AST) -> str:
    """What is filled in: the value of a constant of the module, else a gap."""
    match part:
        case ast.FormattedValue(value=ast.Name(id=name)) if name.isupper():
            value: Any = getattr(sys.modules.get(_HOMES.get(around, "")), name, GAP)
            return str(value) if isinstance(value, str | int | float) else GAP
        case _:
            return GAP


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
