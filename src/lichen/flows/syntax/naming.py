"""How a flow and what its nodes are about are called where the flow is hosted.

Public flows have ids such as `main` or `ai.greentic.component-http.gtest`, and operations such as `apply`,
`repo://local/x.run` or `Card`. Agents and tools have lower-case words joined by dots. What is written is taken where it
is such a name, and otherwise made into one: from the id or operation, the pack (the folder that the flow lies in), and
the component that a flow's sidecar names for a node.

Source: greentic-flow, flow ids and `.ygtc.resolve.summary.json`.
"""

from __future__ import annotations

import re
from hashlib import blake2s
from pathlib import Path, PurePath
from typing import Any, Final

import msgspec

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow
from lichen.flows.text.reach import fields_of

NAME_CHARS_MAX: Final = 64
SIDECAR_BYTES_MAX: Final = 1024 * 1024
TOOL_PARTS: Final = (2, 3)
SIDECAR: Final = ".resolve.summary.json"

_NOT_A_PACK: Final = ("flows", "flow", "src", ".", "")
_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_WORD: Final = re.compile(r"[a-z][a-z0-9_]*")


def is_agent_name(text: str) -> bool:
    """Whether an agent may be called so."""
    return len(text) <= NAME_CHARS_MAX and text.count(".") > 0 and all(map(_WORD.fullmatch, text.split(".")))


def is_tool_name(text: str) -> bool:
    """Whether a tool may be called so."""
    return is_agent_name(text) and text.count(".") + 1 in TOOL_PARTS


def _words_of(text: str) -> tuple[str, ...]:
    """The lower-case words of an id or operation: a URL's scheme is left out, and what no word may hold is `_`."""
    bare = _SCHEME.sub("", text)
    parts = (re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in re.split(r"[./:#]+", bare))
    return tuple(part if part[0].isalpha() else f"n{part}" for part in parts if part)


def joined(text: str) -> str:
    """The words of an id or operation, joined by dots."""
    return ".".join(_words_of(text))


def pack_of(path: str) -> str:
    """The pack that a flow's file belongs to, as one word: the closest folder that has a name of its own. The path is
    relative to the project, so that names are the same wherever that lies."""
    return "_".join(_words_of(folder_of(path)))


def folder_of(path: str) -> str:
    """The same folder as it is written, which is what rules of access call the pack."""
    folders = [folder for folder in PurePath(path).parts[:-1] if folder not in _NOT_A_PACK and _words_of(folder)]
    return folders[-1] if folders else "flows"


def hosted_name(flow: Flow, pack: str, *, is_shared: bool = False) -> str:
    """What the flow is called as an agent: its id where that is a name, else one made of pack and id. `is_shared`: more
    flows have this id, so the pack stands in the name."""
    if is_agent_name(flow.id) and not is_shared:
        return flow.id
    words = _words_of(flow.id) or ("flow",)
    return _short(".".join(words if len(words) > 1 and not is_shared else (pack, *words)))


def tool_names(written: str, pack: str, component: str = "") -> tuple[str, ...]:
    """The names of tools that an operation may mean, the closest first: itself, its component's, its pack's."""
    words = list(_words_of(written))
    if not words:
        return ()
    found = [written, ".".join((*_words_of(component)[-1:], words[-1])), ".".join(words)]
    found += [".".join(words[-3:]), ".".join(words[-2:])] if len(words) > 3 else []
    found.append(f"{pack}.{words[-1]}")
    return tuple(name for name in dict.fromkeys(found) if is_tool_name(name))


def agent_names(written: str, pack: str) -> tuple[str, ...]:
    """The names of agents that a node may mean, the closest first."""
    words = _words_of(written)
    found = [written, ".".join(words), ".".join((pack, *words))]
    return tuple(name for name in dict.fromkeys(found) if is_agent_name(name))


def components_of(path: str) -> dict[str, str]:
    """The component of each node, as the sidecar beside the flow's file has it; none where there is no sidecar.

    Raises Invalid (`sidecar_invalid`).
    """
    sidecar = Path(f"{path}{SIDECAR}")
    try:
        with sidecar.open("rb") as file:
            data = file.read(SIDECAR_BYTES_MAX + 1)
    except OSError:
        return {}
    try:
        found: Any = msgspec.json.decode(data if len(data) <= SIDECAR_BYTES_MAX else b"")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Invalid(
            "The sidecar of the flow is no JSON, or too large.",
            code="sidecar_invalid",
            next_step="Write it again with greentic-flow, or remove it.",
            place=str(sidecar),
        ) from None
    nodes = {id: fields_of(node).get("component_id") for id, node in fields_of(fields_of(found).get("nodes")).items()}
    return {id: component for id, component in nodes.items() if isinstance(component, str)}


def _short(name: str) -> str:
    if len(name) <= NAME_CHARS_MAX:
        return name
    tail = blake2s(name.encode(), digest_size=4).hexdigest()
    return f"{name[: NAME_CHARS_MAX - 9].rstrip('._')}_{tail}"
