"""A ToolClad manifest (`*.clad.toml`): what a command takes, how it is run, and what it says.

Every word of it is read, and one that nobody knows is an error. What other runtimes do and this one does not is refused
by its name: shells, browsers, and parsers and executors of one's own.

Source: ToolClad, manifest format and type system; table `[lichen]` is ours.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from lichen.core.ports.call import Origin
from lichen.core.words.errors import Invalid

BYTES_MAX: Final = 256 * 1024
SUFFIX: Final = ".clad.toml"
ARGUMENTS_MAX: Final = 64
NAME: Final = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"

Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Risk = Literal["low", "medium", "high"]
Scalar = str | int | float | bool
T = TypeVar("T")


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where other runtimes keep what a command said. Here each call is a record with its result."""

    output_dir: str = ""
    capture: bool = True
    hash: Literal["sha256"] = "sha256"


class Cedar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What other runtimes ask policy about. Here it is the tool by its name, as of any other."""

    resource: str = ""
    action: str = ""


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[tool]`: the command, and what may go wrong with it."""

    name: Name
    version: str
    description: str
    binary: str = ""
    mode: Literal["oneshot", "session", "browser"] = "oneshot"
    timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 60
    risk_tier: Risk = "low"
    human_approval: bool = False
    dispatch: Literal["exec", "callback"] = "exec"
    cedar: Cedar = Cedar()
    evidence: Evidence = Evidence()


class Argument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[args.x]`: one argument. `type` is a built-in type, or one of `toolclad.toml`."""

    type: str = "string"
    position: int = 0
    required: bool = False
    description: str = ""
    default: Scalar | None = None
    allowed: tuple[str, ...] = ()
    pattern: str = ""
    sanitize: tuple[Literal["injection"], ...] = ()
    min: float | None = None
    max: float | None = None
    min_float: float | None = None
    max_float: float | None = None
    clamp: bool = False
    schemes: tuple[str, ...] = ()
    scope_check: bool = False
    block_internal: bool = False
    feeds_decision: bool = False


class CustomType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[types.x]` of `toolclad.toml`: a built-in type that is narrower."""

    base: str
    allowed: tuple[str, ...] = ()
    pattern: str = ""
    min: float | None = None
    max: float | None = None
    min_float: float | None = None
    max_float: float | None = None


class Conditional(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a command that is there where its arguments are so."""

    when: str
    template: str


class CommandTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[command]`: the words of the command, as a list (`exec`), or as one text that is split before it is filled."""

    exec: tuple[str, ...] = ()
    template: str = ""
    executor: str = ""
    defaults: Mapping[str, Scalar] = {}
    mappings: Mapping[str, Mapping[str, str]] = {}
    conditionals: Mapping[str, Conditional] = {}


class HttpTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[http]`: a request, in whose parts `{name}` is an argument and `{_secret:name}` a secret of the tenant. A status
    is a success where `success_status` names it, any 2xx where it names none, and never where `error_status` does.
    """

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Mapping[str, str] = {}
    body_template: str | None = None
    success_status: tuple[int, ...] = ()
    error_status: tuple[int, ...] = ()


class McpTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[mcp]`: a tool of a server that `[[mcp]]` of the project names. `field_map` says what an argument is called
    there."""

    server: str
    tool: str
    field_map: Mapping[str, str] = {}


class Interaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[session.interaction]`: what is looked at in each line, how much of an answer is kept, and how long one is
    waited for where that is not the tool's time."""

    input_sanitize: tuple[Literal["injection"], ...] = ()
    output_max_bytes: Annotated[int, msgspec.Meta(ge=1, le=1024 * 1024)] = 1024 * 1024
    output_wait_ms: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] | None = None


class SessionCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[session.commands.x]`: lines that may be said, and what may go wrong with them. What they point at has to lie
    within the scope where `extract_target` says so."""

    pattern: str
    description: str
    risk_tier: Risk = "low"
    human_approval: bool = False
    extract_target: bool = False


class SessionTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[session]`: a program that goes on over several calls of a run, and the lines that may be said to it. It is
    ready for one where its last line fits `ready_pattern`, of which a group `state` says in what state it is."""

    startup_command: str
    ready_pattern: str
    commands: Mapping[Name, SessionCommand]
    startup_timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=600)] = 10
    idle_timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 300
    session_timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 1_800
    max_interactions: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    interaction: Interaction = Interaction()


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[output]`: how what it said is read, and the schema that this has to fit."""

    schema: Mapping[str, Any]
    format: Literal["text", "json", "xml", "csv", "jsonl"] = "text"
    parser: str = ""
    envelope: bool = True


class Ours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[lichen]`: what the manifest's own words leave open. The tool's `name`, what repeating a call would do, whether
    it brings records of ours, and what the command may have in its jail. `options` are arguments that may begin with a
    hyphen. A value of `env` may end in `secret:<name>`. `scope` and `types` are files beside the manifest. A request
    leads to no address that is not public, unless it is `private`.
    """

    name: str = ""
    effects: Literal["none", "idempotent", "once"] | None = None
    origin: Origin = "third_party"
    confirm: str = ""
    tags: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = (0,)
    env: Mapping[str, str] = {}
    scope: str = ""
    types: str = ""
    reads: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    memory_mb: int = 512
    cpu_s: float = 600.0
    processes: int = 64
    private: bool = False


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    tool: About
    output: Output | None = None
    args: Mapping[Name, Argument] = {}
    command: CommandTable | None = None
    http: HttpTable | None = None
    mcp: McpTable | None = None
    session: SessionTable | None = None
    browser: Mapping[str, Any] | None = None
    lichen: Ours = Ours()


class Types(msgspec.Struct, frozen=True):
    """`toolclad.toml`, as far as it says types."""

    types: Mapping[str, CustomType] = {}


def read_manifest(data: bytes, place: str) -> Manifest:
    """What a manifest says. Raises Invalid (`manifest_invalid`, `manifest_unsupported`)."""
    manifest = converted(data, place, Manifest)
    if len(manifest.args) > ARGUMENTS_MAX:
        raise invalid(f"It has more than {ARGUMENTS_MAX} arguments.", place)
    unsupported = _unsupported(manifest)
    if unsupported:
        step = "Write [command] with `exec`, [http], [mcp] or [session], or leave the manifest out."
        message = f"The manifest needs {unsupported}, which is not done here."
        raise Invalid(message, code="manifest_unsupported", place=place, next_step=step)
    _check_backend(manifest, place)
    if manifest.output is None or not manifest.output.schema:
        raise invalid("It has no [output.schema], which says what a result is.", place)
    return manifest


def _check_backend(manifest: Manifest, place: str) -> None:
    """Raises Invalid for a manifest that stands for nothing, or for several things."""
    command = manifest.command if manifest.command is not None and manifest.command != CommandTable() else None
    said = [each for each in (command, manifest.http, manifest.mcp, manifest.session) if each is not None]
    if len(said) > 1:
        raise invalid("It has several of [command], [http], [mcp] and [session].", place)
    if not said or (command is not None and not (command.exec or command.template)):
        raise invalid("It has no [command] with `exec` or `template`, no [http], no [mcp] and no [session].", place)
    if (manifest.tool.mode == "session") != (manifest.session is not None):
        raise invalid('[session] and mode = "session" go together.', place)
    if manifest.session is not None and (manifest.args or not manifest.session.commands):
        raise invalid("[session] has [session.commands], each with one argument, and no [args].", place)


def _unsupported(manifest: Manifest) -> str:
    """What a manifest wants that is not done here, empty where there is nothing."""
    if manifest.browser is not None:
        return "[browser]"
    if manifest.tool.mode == "browser":
        return f'mode = "{manifest.tool.mode}"'
    if manifest.tool.dispatch != "exec":
        return f'dispatch = "{manifest.tool.dispatch}"'
    if manifest.command is not None and manifest.command.executor:
        return "an `executor` of its own"
    if manifest.output is not None and manifest.output.parser and not manifest.output.parser.startswith("builtin:"):
        return "a `parser` of its own"
    return ""


def read_types(data: bytes, place: str) -> Mapping[str, CustomType]:
    """The types of a `toolclad.toml`. Raises Invalid (`manifest_invalid`)."""
    return converted(data, place, Types).types


def converted(data: bytes, place: str, shape: type[T]) -> T:
    """A TOML text as a value of a type. Raises Invalid (`manifest_invalid`)."""
    if len(data) > BYTES_MAX:
        raise invalid(f"It has more than {BYTES_MAX} bytes.", place)
    try:
        return msgspec.convert(tomllib.loads(data.decode()), shape)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"It is no TOML: {error}.", place) from None
    except msgspec.ValidationError as error:
        raise invalid(f"{_plain(str(error))}.", place) from None


def _plain(message: str) -> str:
    return re.sub(r"\$\.?", "", message)


def invalid(message: str, place: str) -> Invalid:
    """The error of a manifest, or of a file that it names: code `manifest_invalid`."""
    return Invalid(message, code="manifest_invalid", place=place, next_step="Correct the manifest.")
