"""A manifest as a tool: read with what lies beside it, checked, and given the contract that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.call import CircuitBreaker, Effects, SecretNames, ToolSpec
from lichen.tools.arguments.schema import flaw
from lichen.tools.clad.backends.http_tool import HttpTool
from lichen.tools.clad.backends.requests import written
from lichen.tools.clad.backends.server_tool import ServerTool
from lichen.tools.clad.command_tool import CommandTool
from lichen.tools.clad.commands import Plan, planned
from lichen.tools.clad.envelope import OF_COMMANDS, OF_REQUESTS, schema_of
from lichen.tools.clad.inputs import Inputs
from lichen.tools.clad.manifest import (
    BYTES_MAX,
    CustomType,
    Manifest,
    McpTable,
    Ours,
    Risk,
    invalid,
    read_manifest,
    read_types,
)
from lichen.tools.clad.scope import read_scope
from lichen.tools.clad.values import schema
from lichen.tools.faults import faults
from lichen.tools.spec import checked_name, pinned, tool_invalid

EFFECTS: Final[Mapping[Risk, Effects]] = {"low": "idempotent", "medium": "once", "high": "once"}
BREAKER: Final = CircuitBreaker(codes=("command_failed",))
BY_METHOD: Final[Mapping[str, Effects]] = {"GET": "none", "HEAD": "none", "PUT": "idempotent", "DELETE": "idempotent"}
ManifestTool = CommandTool | HttpTool | ServerTool

Text = Callable[[Path], bytes]
"""The bytes of a file. Raises Invalid."""


def command_tool(path: str | Path) -> ManifestTool:
    """The command, request or server's tool in a ToolClad manifest as a tool: `command_tool("tools/whois.clad.toml")`.

    Raises Invalid (`manifest_invalid`, `manifest_unsupported`, `tool_invalid`).
    """
    return manifest_tool(Path(path), _text)


def manifest_tool(path: Path, text: Text) -> ManifestTool:
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
    inputs = Inputs(plan, scope)
    if inputs.lacks_scope:
        raise invalid("It is pointed at hosts: name the file of their scope under [lichen] scope.", str(path))
    pin = f"manifest_{said.hexdigest()[:16]}"
    if manifest.http is not None:
        request = written(manifest, plan.arguments, str(path))
        return HttpTool(_spec(manifest, plan, path, pin, request.secrets), manifest, inputs, request)
    if manifest.mcp is not None:
        _check_fields(manifest.mcp, plan, path)
        return ServerTool(_spec(manifest, plan, path, pin, ()), manifest, inputs, manifest.mcp)
    secrets = [value.partition("secret:")[2] for value in ours.env.values() if "secret:" in value]
    return CommandTool(_spec(manifest, plan, path, pin, secrets), manifest, inputs, path.resolve().parent)


def _check_fields(table: McpTable, plan: Plan, path: Path) -> None:
    """Raises Invalid for names that lead nowhere, or two to one."""
    unknown = next((name for name in table.field_map if name not in plan.arguments), None)
    if unknown is not None:
        raise invalid(f"[mcp] field_map names {unknown!r}, which is no argument.", str(path))
    theirs = [table.field_map.get(name, name) for name in plan.arguments]
    if len(set(theirs)) < len(theirs):
        raise invalid("[mcp] field_map gives two arguments one name.", str(path))


def _check_grant(ours: Ours, path: Path) -> None:
    """Raises Invalid for what no jail grants."""
    said = {name: getattr(ours, name) for name in ("reads", "network", "memory_mb", "cpu_s", "processes")}
    try:
        msgspec.convert(said, Grant)
    except msgspec.ValidationError as error:
        raise invalid(f"[lichen] grants what cannot be meant: {error}.", str(path)) from None


def _spec(manifest: Manifest, plan: Plan, path: Path, pin: str, secrets: Sequence[str]) -> ToolSpec:
    about, ours, output = manifest.tool, manifest.lichen, manifest.output
    assert output is not None, "a manifest that was read has an output"
    problem = flaw(output.schema)
    if problem is not None:
        raise invalid(f"output.schema{problem.place}: {problem.message}", str(path))
    arguments = sorted(plan.arguments.items(), key=lambda item: item[1].position)
    spec = ToolSpec(
        name=checked_name(ours.name or f"command.{about.name.lower()}", str(path)),
        description=about.description,
        effects=_effects(manifest),
        input_schema={
            "type": "object",
            "properties": {name: schema(each) for name, each in arguments},
            "required": [name for name, _ in arguments if _is_wanted(plan, name)],
            "additionalProperties": False,
        },
        output_schema=schema_of(output, _more(manifest)) if output.envelope else output.schema,
        timeout_s=about.timeout_seconds,
        tags=(
            _kind(manifest),
            f"risk_{about.risk_tier}",
            *ours.tags,
            *(["human_approval"] * about.human_approval),
            pin,
        ),
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


def _kind(manifest: Manifest) -> str:
    return "http" if manifest.http is not None else "mcp" if manifest.mcp is not None else "command"


def _more(manifest: Manifest) -> Mapping[str, Any]:
    return OF_REQUESTS if manifest.http is not None else {} if manifest.mcp is not None else OF_COMMANDS


def _effects(manifest: Manifest) -> Effects:
    """What repeating a call would do: as [lichen] says, else as risk, method and whose tool it is let one believe."""
    about = manifest.tool
    if manifest.lichen.effects is not None:
        return manifest.lichen.effects
    if about.human_approval or manifest.mcp is not None or about.risk_tier != "low":
        return "once"
    return BY_METHOD.get(manifest.http.method, "once") if manifest.http is not None else EFFECTS[about.risk_tier]


def _is_wanted(plan: Plan, name: str) -> bool:
    argument = plan.arguments[name]
    return argument.required and argument.default is None and name not in plan.table.defaults


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise invalid(f"It cannot be read: {error.strerror}.", str(path)) from None
