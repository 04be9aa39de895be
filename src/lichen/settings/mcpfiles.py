"""Files in which other programs are told of MCP servers, `.mcp.json` as people have it, read as `[[mcp]]` tables.

A server of such a file is had as if it stood in `lichen.toml`. `${VAR}` and `${VAR:-otherwise}` stand for variables of
the environment that the settings name, and for no others. What else a server says there (`autoApprove` and the like) is
for other programs and does not count.

Source: the `.mcp.json` of Claude Code (`mcpServers`), the `mcp.json` of Visual Studio Code (`servers`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, cast

import msgspec

from lichen.core.cage.terms import CageTerms
from lichen.core.reading.misfits import misfit
from lichen.core.remote.server import Asks, OAuth, PromptRules, ResourceRules, Seconds, ToolTerms, Transport, Trust
from lichen.core.words.errors import Invalid
from lichen.settings.servers import McpTable

FILE_BYTES_MAX: Final = 1024 * 1024
SERVERS_MAX: Final = 200
KEYS: Final = ("mcpServers", "servers")
CODE: Final = "mcp_file_invalid"
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_NAMED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_UNFIT: Final = re.compile(r"[^a-z0-9]+")

Kind = Literal["stdio", "http", "streamable-http", "streamableHttp", "sse"]
Variable = Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]


class ServerTerms(CageTerms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of a server of such a file better than the file says, and the cage that it is put into."""

    timeout_s: Seconds = 30.0
    trust: Trust = "first_use"
    tools: Mapping[str, ToolTerms] = {}
    asks: tuple[Asks, ...] = ()
    sampling: Annotated[str, msgspec.Meta(max_length=200)] = ""
    resources: ResourceRules = ResourceRules()
    prompts: PromptRules = PromptRules()
    oauth: OAuth | None = None
    roots: tuple[str, ...] = ()


class McpFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that names MCP servers. Of the environment it is told the `variables` alone; `servers` are terms, by the
    names that servers have here. Of `tenants` and `environments` it is those that have them, all where none is named.
    """

    file: str
    variables: tuple[Variable, ...] = ()
    tenants: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    servers: Mapping[str, ServerTerms] = {}


class Entry(msgspec.Struct, frozen=True):
    """One server as such a file says it."""

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    cwd: str = ""
    url: str = ""
    headers: Mapping[str, str] = {}
    type: Kind | None = None
    disabled: bool = False

    @property
    def transport(self) -> Transport:
        """How it is spoken to at its URL."""
        return "sse" if self.type == "sse" else "http"


class Named(NamedTuple):
    """A server of a file: what it is called there and here, its place, and what is said of it."""

    own: str
    name: str
    place: str
    entry: Entry


class Tables(NamedTuple):
    """What a file says as tables, and everything that is wrong with it."""

    tables: tuple[McpTable, ...]
    errors: tuple[Invalid, ...]


def tables_of(root: Path, said: McpFile, environ: Mapping[str, str]) -> Tables:
    """The servers of a file, relative to `root`, with what variables stand for. One that is disabled is left out."""
    path = root / said.file
    try:
        named = tuple(servers_in(path))
    except Invalid as error:
        return Tables((), (error,))
    tables: list[McpTable] = []
    errors = [*_twice(named), *_unknown(path, said, named)]
    for each in named:
        if each.entry.disabled:
            continue
        try:
            tables.append(_table(path.parent, said, each, environ))
        except Invalid as error:
            errors.append(error)
    return Tables(tuple(tables), tuple(errors))


def servers_in(path: Path) -> Iterator[Named]:
    """The servers that a file names, as they stand there. Raises Invalid (`mcp_file_invalid`) with the pointer."""
    document = _document(path)
    key = next((key for key in KEYS if isinstance(document.get(key), dict)), None)
    if key is None:
        raise _invalid("The file names no servers: it has no object `mcpServers`.", f"{path}#/{KEYS[0]}")
    servers = cast("dict[str, Any]", document[key])
    if len(servers) > SERVERS_MAX:
        raise _invalid(f"The file names more than {SERVERS_MAX} servers.", f"{path}#/{key}")
    for own, said in servers.items():
        place = f"{path}#/{key}/{own.replace('~', '~0').replace('/', '~1')}"
        yield Named(own, name_here(own), place, _entry(said, place))


def name_here(own: str) -> str:
    """What a server of a file is called here: in lower case, what no name may hold as `_`."""
    return _UNFIT.sub("_", own.lower()).strip("_")


def _document(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _invalid(f"The file cannot be read: {error.strerror}.", str(path)) from None
    if len(data) > FILE_BYTES_MAX:
        raise _invalid(f"The file has more than {FILE_BYTES_MAX} bytes.", str(path))
    try:
        document: Any = json.loads(data)
    except json.JSONDecodeError as error:
        raise _invalid(f"The file is not JSON: {error.msg}.", f"{path}:{error.lineno}:{error.colno}") from None
    except (UnicodeDecodeError, RecursionError):
        raise _invalid("The file is not JSON.", str(path)) from None
    if not isinstance(document, dict):
        raise _invalid("The file is no JSON object.", f"{path}#")
    return cast("dict[str, Any]", document)


def _entry(said: Any, place: str) -> Entry:
    try:
        entry = msgspec.convert(said, Entry)
    except msgspec.ValidationError as error:
        found = misfit(error)
        raise _invalid(f"{found.message}.", place + found.pointer) from None
    if entry.type is not None and (entry.type == "stdio") == bool(entry.url):
        raise _invalid(f"A server of the type {entry.type} has another way to be reached.", f"{place}/type")
    return entry


def _table(folder: Path, said: McpFile, named: Named, environ: Mapping[str, str]) -> McpTable:
    """Raises Invalid for a server that could not stand in `lichen.toml` either."""
    entry, terms = named.entry, said.servers.get(named.name, ServerTerms())

    def told(text: str, *steps: object) -> str:
        return _expanded(text, said, environ, "/".join((named.place, *map(str, steps))))

    command = (told(entry.command, "command"), *(told(each, "args", i) for i, each in enumerate(entry.args)))
    try:
        table = McpTable(
            name=named.name,
            command=command if entry.command else (),
            url=told(entry.url, "url"),
            transport=entry.transport,
            cwd=str(folder / told(entry.cwd, "cwd")),
            env={name: told(value, "env", name) for name, value in entry.env.items()},
            headers={name: told(value, "headers", name) for name, value in entry.headers.items()},
            timeout_s=terms.timeout_s,
            trust=terms.trust,
            tools=terms.tools,
            asks=terms.asks,
            **{name: getattr(terms, name) for name in CageTerms.__struct_fields__},
            sampling=terms.sampling,
            resources=terms.resources,
            prompts=terms.prompts,
            oauth=terms.oauth,
            roots=terms.roots,
            tenants=said.tenants,
            environments=said.environments,
        )
        return msgspec.convert(msgspec.to_builtins(table), McpTable)
    except msgspec.ValidationError as error:
        raise _invalid(f"{misfit(error).message}.", named.place) from None
    except ValueError as error:
        raise _invalid(f"{error}.", named.place) from None


def _expanded(text: str, said: McpFile, environ: Mapping[str, str], place: str) -> str:
    def value(found: re.Match[str]) -> str:
        variable = _NAMED.fullmatch(found[1])
        if variable is None:
            raise _invalid(f"${{{found[1]}}} is no variable of the environment.", place)
        name, otherwise = variable[1], variable[2]
        if name not in said.variables:
            step = f'Add "{name}" to `variables` of this file in lichen.toml, if its servers may know it.'
            raise Invalid(f"The file may not read the variable {name}.", code=CODE, place=place, next_step=step)
        if name not in environ and otherwise is None:
            step = f"Set it, or write ${{{name}:-something}}."
            raise Invalid(f"The variable {name} is not set.", code=CODE, place=place, next_step=step)
        return environ.get(name) or otherwise or ""

    return _VARIABLE.sub(value, text)


def _twice(named: tuple[Named, ...]) -> Iterator[Invalid]:
    seen: dict[str, str] = {}
    for each in named:
        if each.name in seen:
            yield _invalid(f"It would be called {each.name} here, as {seen[each.name]!r} is.", each.place)
        seen.setdefault(each.name, each.own)


def _unknown(path: Path, said: McpFile, named: tuple[Named, ...]) -> Iterator[Invalid]:
    known = [each.name for each in named]
    for name in said.servers:
        if name not in known:
            step = f"It names: {', '.join(known) or 'none'}."
            yield Invalid(f"The file names no server {name!r}.", code=CODE, place=str(path), next_step=step)


def _invalid(message: str, place: str) -> Invalid:
    step = "Correct the file, or take it out of `mcp_files`; `lichen doctor` reads it again."
    return Invalid(message, code=CODE, place=place, next_step=step)
