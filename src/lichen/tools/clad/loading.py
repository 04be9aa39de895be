"""A manifest as a tool: read with what lies beside it, checked, and given the contract that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import CircuitBreaker, Effects, SecretNames, ToolSpec
from lichen.tools.arguments.schema import flaw
from lichen.tools.clad.command_tool import SCOPED, CommandTool
from lichen.tools.clad.commands import Plan, planned
from lichen.tools.clad.manifest import BYTES_MAX, CustomType, Manifest, Ours, Risk, invalid, read_manifest, read_types
from lichen.tools.clad.scope import read_scope
from lichen.tools.clad.values import schema
from lichen.tools.faults import faults
from lichen.tools.spec import checked_name, pinned, tool_invalid

EFFECTS: Final[Mapping[Risk, Effects]] = {"low": "idempotent", "medium": "once", "high": "once"}
BREAKER: Final = CircuitBreaker(codes=("command_failed",))
_ENVELOPE: Final[Mapping[str, Any]] = {
    "status": {"type": "string", "enum": ["success", "error"]},
    "scan_id": {"type": "string"},
    "tool": {"type": "string"},
    "command": {"type": "string"},
    "duration_ms": {"type": "integer"},
    "timestamp": {"type": "string"},
    "exit_code": {"type": "integer"},
    "stderr": {"type": "string"},
    "output_file": {"type": "string"},
    "output_hash": {"type": "string"},
}

Text = Callable[[Path], bytes]
"""The bytes of a file. Raises Invalid."""


def command_tool(path: str | Path) -> CommandTool:
    """The command in a ToolClad manifest as a tool: `command_tool("tools/whois.clad.toml")`.

    Raises Invalid (`manifest_invalid`, `manifest_unsupported`, `tool_invalid`).
    """
    return manifest_tool(Path(path), _text)


def manifest_tool(path: Path, text: Text) -> CommandTool:
    """The same, its files read by `text`. All that they say is pinned by the tool's contract, by a tag."""
    said = hashlib.sha256()

    def noted(file: Path) -> bytes:
        data = text(file)
        said.update(hashlib.sha256(data).digest())
        return data

    manifest = read_manifest(noted(path), str(path))
    ours = manifest.lichen
    _check_grant(ours, path)
    types: Mapping[str, CustomType] = read_types(noted(path.parent / ours.types), ours.types) if ours.types else {}
    plan = planned(manifest, types, str(path))
    scope = read_scope(noted(path.parent / ours.scope), ours.scope) if ours.scope else None
    if scope is None and _needs_scope(plan):
        raise invalid("It is pointed at hosts: name the file of their scope under [lichen] scope.", str(path))
    spec = _spec(manifest, plan, path, f"manifest_{said.hexdigest()[:16]}")
    return CommandTool(spec, manifest, plan, scope, path.resolve().parent)


def _check_grant(ours: Ours, path: Path) -> None:
    """Raises Invalid for what no jail grants."""
    said = {name: getattr(ours, name) for name in ("reads", "network", "memory_mb", "cpu_s", "processes")}
    try:
        msgspec.convert(said, Grant)
    except msgspec.ValidationError as error:
        raise invalid(f"[lichen] grants what cannot be meant: {error}.", str(path)) from None


def _needs_scope(plan: Plan) -> bool:
    return any(each.type in SCOPED or each.scope_check for each in plan.arguments.values())


def _spec(manifest: Manifest, plan: Plan, path: Path, pin: str) -> ToolSpec:
    about, ours, output = manifest.tool, manifest.lichen, manifest.output
    assert output is not None, "a manifest that was read has an output"
    problem = flaw(output.schema)
    if problem is not None:
        raise invalid(f"output.schema{problem.place}: {problem.message}", str(path))
    said = {**_ENVELOPE, "results": {"anyOf": [output.schema, {"type": "null"}]}}
    wrapped = {"type": "object", "properties": said, "required": list(said)}
    effects: Effects = ours.effects or ("once" if about.human_approval else EFFECTS[about.risk_tier])
    secrets = [value.partition("secret:")[2] for value in ours.env.values() if "secret:" in value]
    arguments = sorted(plan.arguments.items(), key=lambda item: item[1].position)
    spec = ToolSpec(
        name=checked_name(ours.name or f"command.{about.name.lower()}", str(path)),
        description=about.description,
        effects=effects,
        input_schema={
            "type": "object",
            "properties": {name: schema(each) for name, each in arguments},
            "required": [name for name, _ in arguments if _is_wanted(plan, name)],
            "additionalProperties": False,
        },
        output_schema=wrapped if output.envelope else output.schema,
        timeout_s=about.timeout_seconds,
        tags=("command", f"risk_{about.risk_tier}", *ours.tags, *(["human_approval"] * about.human_approval), pin),
        origin=ours.origin,
        confirm=ours.confirm or (f"Run {about.name}?" if about.human_approval else ""),
        secrets=SecretNames(call=tuple(dict.fromkeys(secrets))),
        breaker=BREAKER,
    )
    problem = flaw(spec.input_schema)
    if problem is not None:
        raise invalid(f"Its arguments cannot be checked: {problem.message}", str(path))
    for message, step in faults(spec):
        raise tool_invalid(message, place=str(path), next_step=step)
    return pinned(spec)


def _is_wanted(plan: Plan, name: str) -> bool:
    argument = plan.arguments[name]
    return argument.required and argument.default is None and name not in plan.table.defaults


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise invalid(f"It cannot be read: {error.strerror}.", str(path)) from None
