"""MCP servers that other programs have in the project's folder and Lichen has not: named, and never started.

Sources: the `.mcp.json` of Claude Code, Cursor and Visual Studio Code; Symbi documentation, `mcp-config.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.settings import Settings
from lichen.settings.mcpfiles import FILE_BYTES_MAX, Entry, name_here, servers_in

JSON_FILES: Final = (".mcp.json", "mcp.json", ".cursor/mcp.json", ".vscode/mcp.json")
TOML_FILES: Final = ("mcp-config.toml", ".symbiont/mcp-config.toml")


class FoundServer(NamedTuple):
    """A server that a file names. `table` is the `[[mcp]]` to add: no value of its environment and no header is
    repeated there, since each may be a secret, but the secret that is to hold it is named."""

    file: str
    name: str
    table: str
    secrets: tuple[str, ...]


class FoundServers(NamedTuple):
    """The servers that are not configured yet, and the files that cannot be read."""

    servers: tuple[FoundServer, ...]
    errors: tuple[Invalid, ...]


def unused_servers(settings: Settings) -> FoundServers:
    """What files of other programs beside `lichen.toml` name and it does not."""
    said = {each.file if not isinstance(each, str) else each for each in settings.parts.mcp_files}
    known = {table.name for table in settings.mcp}
    ways = {(table.command, table.url) for table in settings.mcp}
    found: list[FoundServer] = []
    errors: list[Invalid] = []
    for file in (*JSON_FILES, *TOML_FILES):
        if file in said or not (settings.root / file).is_file():
            continue
        try:
            for own, entry in _entries(settings.root / file):
                way = ((entry.command, *entry.args) if entry.command else (), entry.url)
                if not entry.disabled and way not in ways and name_here(own) not in known:
                    found.append(_found(file, own, entry))
        except Invalid as error:
            errors.append(error)
    return FoundServers(tuple(found), tuple(errors))


def _entries(path: Path) -> Iterator[tuple[str, Entry]]:
    if path.suffix == ".json":
        yield from ((each.own, each.entry) for each in servers_in(path))
        return
    try:
        data = path.read_bytes()[: FILE_BYTES_MAX + 1]
        servers: Any = tomllib.loads(data.decode()).get("servers", {})
        yield from msgspec.convert(servers, dict[str, Entry]).items()
    except (OSError, ValueError) as error:  # of TOML, UTF-8 and msgspec alike
        message = f"The file cannot be read: {error}."
        raise Invalid(message, code="mcp_file_invalid", place=str(path), next_step="Correct or remove it.") from None


def _found(file: str, own: str, entry: Entry) -> FoundServer:
    name = name_here(own)
    table: dict[str, Any] = {"name": name}
    if entry.command:
        table["command"] = [entry.command, *entry.args]
    else:
        table["url"] = entry.url
    if entry.transport == "sse":
        table["transport"] = "sse"
    if entry.cwd:
        table["cwd"] = entry.cwd
    secrets: list[str] = []
    for kind, said in (("env", entry.env), ("headers", entry.headers)):
        if said:
            table[kind] = {key: f"secret:{_secret(name, key)}" for key in said}
            secrets += [_secret(name, key) for key in said]
    return FoundServer(file, name, _written(table), tuple(secrets))


def _secret(server: str, key: str) -> str:
    return f"{server}_{name_here(key)}"


def _written(table: Mapping[str, Any]) -> str:
    """The table as it is added to lichen.toml."""
    lines = ["[[mcp]]"]
    for key, value in table.items():
        text = msgspec.json.encode(value).decode()
        if isinstance(value, dict):
            pairs = cast("dict[str, str]", value).items()
            text = ", ".join(f"{_key(name)} = {msgspec.json.encode(each).decode()}" for name, each in pairs)
            text = f"{{ {text} }}"
        elif isinstance(value, list):
            text = f"[{', '.join(msgspec.json.encode(each).decode() for each in cast('list[str]', value))}]"
        lines.append(f"{key} = {text}")
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else f'"{name}"'
