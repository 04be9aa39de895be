"""A manifest as a tool: read with what lies beside it, checked, and given the contract that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    SessionCommand,
    SessionTable,
    invalid,
    read_manifest,
    read_types,
)
from lichen.tools.clad.scope import Scope, read_scope
from lichen.tools.clad.sessions.session_tool import ARGUMENT, SessionTool, line_of, opening_of
from lichen.tools.clad.sessions.terminal import LINE_BYTES_MAX
from lichen.tools.clad.values import schema
from lichen.tools.faults import faults
from lichen.tools.spec import checked_name, pinned, tool_invalid

EFFECTS: Final[Mapping[Risk, Effects]] = {"low": "idempotent", "medium": "once", "high": "once"}
BREAKER: Final = CircuitBreaker(codes=("command_failed",))
BY_METHOD: Final[Mapping[str, Effects]] = {"GET": "none", "HEAD": "none", "PUT": "idempotent", "DELETE": "idempotent"}
ManifestTool = CommandTool | HttpTool | ServerTool | SessionTool

Text = Callable[[Path], bytes]
"""The bytes of a file. Raises Invalid."""


def command_tool(path: str | Path) -> ManifestTool:
    """The command, request or server's tool in a ToolClad manifest as a tool: `command_tool("tools/whois.clad.toml")`.

    Raises Invalid (`manifest_invalid`, `manifest_unsupported`, `tool_invalid`).
    """
    first = next(iter(manifest_tools(Path(path), _text)))
    if isinstance(first, SessionTool):
        raise invalid("It has a session, whose commands are `session_tools` of it.", str(path))
    return first


def session_tools(path: str | Path) -> tuple[ManifestTool, ...]:
    """The commands of a session in a ToolClad manifest: `session_tools("tools/psql.clad.toml")`. Raises as
    `command_tool`."""
    return manifest_tools(Path(path), _text)


def manifest_tools(path: Path, text: Text) -> tuple[ManifestTool, ...]:
    """What a manifest stands for, its files read by `text`. All that they say is pinned by the contracts, by a tag."""
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
    pin, root = f"manifest_{said.hexdigest()[:16]}", path.resolve().parent
    secrets = [value.partition("secret:")[2] for value in ours.env.values() if "secret:" in value]
    if manifest.session is not None:
        return tuple(_session(manifest, manifest.session, scope, path, pin, secrets))
    if manifest.http is not None:
        request = written(manifest, plan.arguments, str(path))
        return (HttpTool(_spec(manifest, plan, path, pin, request.secrets), manifest, inputs, request),)
    if manifest.mcp is not None:
        _check_fields(manifest.mcp, plan, path)
        return (ServerTool(_spec(manifest, plan, path, pin, ()), manifest, inputs, manifest.mcp),)
    return (CommandTool(_spec(manifest, plan, path, pin, secrets), manifest, inputs, root),)


def _session(
    manifest: Manifest, table: SessionTable, scope: Scope | None, path: Path, pin: str, secrets: Sequence[str]
) -> Iterator[SessionTool]:
    ready, words = opening_of(manifest, str(path))
    for name, command in table.commands.items():
        spec = _spec_of_line(manifest, name, command, path, pin, secrets)
        line = line_of(command, table, scope, str(path))
        yield SessionTool(spec, manifest, line, ready, words, pin, path.resolve().parent)


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
    about, ours = manifest.tool, manifest.lichen
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
        output_schema=_said(manifest),
        tags=_tags(manifest, about.risk_tier, pin, is_held=about.human_approval),
        confirm=ours.confirm or (f"Run {about.name}?" if about.human_approval else ""),
    )
    return _checked(manifest, spec, path, secrets)


def _spec_of_line(
    manifest: Manifest, name: str, command: SessionCommand, path: Path, pin: str, secrets: Sequence[str]
) -> ToolSpec:
    about, ours = manifest.tool, manifest.lichen
    is_held = command.human_approval or about.human_approval
    is_low = not is_held and command.risk_tier == "low"
    spec = ToolSpec(
        name=checked_name(f"{ours.name or about.name.lower()}.{name.lower()}", str(path)),
        description=command.description,
        effects=(ours.effects or EFFECTS["low"]) if is_low else "once",
        input_schema={
            "type": "object",
            "properties": {ARGUMENT: {"type": "string", "maxLength": LINE_BYTES_MAX, "pattern": command.pattern}},
            "required": [ARGUMENT],
            "additionalProperties": False,
        },
        output_schema=_said(manifest),
        tags=_tags(manifest, command.risk_tier, pin, is_held=is_held),
        confirm=ours.confirm or (f"Say this to {about.name}?" if is_held else ""),
    )
    return _checked(manifest, spec, path, secrets)


def _tags(manifest: Manifest, risk: Risk, pin: str, *, is_held: bool) -> tuple[str, ...]:
    return (_kind(manifest), f"risk_{risk}", *manifest.lichen.tags, *["human_approval"] * is_held, pin)


def _checked(manifest: Manifest, spec: ToolSpec, path: Path, secrets: Sequence[str]) -> ToolSpec:
    """The contract with what is the same for each of a manifest. Raises Invalid."""
    output = manifest.output
    assert output is not None, "a manifest that was read has an output"
    problem = flaw(output.schema)
    if problem is not None:
        raise invalid(f"output.schema{problem.place}: {problem.message}", str(path))
    spec = msgspec.structs.replace(
        spec,
        timeout_s=manifest.tool.timeout_seconds,
        origin=manifest.lichen.origin,
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
    kinds = {"http": manifest.http, "mcp": manifest.mcp, "session": manifest.session}
    return next((name for name, table in kinds.items() if table is not None), "command")


def _said(manifest: Manifest) -> Mapping[str, Any]:
    """The schema of its results."""
    output = manifest.output
    assert output is not None, "a manifest that was read has an output"
    if not output.envelope:
        return output.schema
    match _kind(manifest):
        case "http":
            return schema_of(output, OF_REQUESTS)
        case "command":
            return schema_of(output, OF_COMMANDS)
        case _:
            return schema_of(output, {})


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
