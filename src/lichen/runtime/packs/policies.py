"""The policies of a pack: what a project that says so puts in force beside those of its tenants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from lichen.agents.agent import Agent
from lichen.core.words.errors import Invalid
from lichen.flows.read.load import parse
from lichen.flows.syntax.naming import hosted_name, pack_of
from lichen.gate.rules.declarations import METERS_FILE
from lichen.gate.rules.packed import PackPolicies
from lichen.runtime.packs.opening import Opened

SETTINGS: Final = "policy.toml"
POLICIES_CHARS_MAX: Final = 4 * 1024 * 1024


def policies_of(
    packs: Iterable[Opened], agents: Mapping[str, Iterable[Agent]], tools: Mapping[str, Iterable[str]]
) -> Iterator[PackPolicies]:
    """What packs bring that is in force. `agents` and `tools` are those that each brought, by where it lies.

    Raises Invalid (`pack_policies_missing`, `pack_twice`, `policy_syntax`, `policy_settings`).
    """
    ids: set[str] = set()
    for pack in packs:
        if not pack.has_policies:
            continue
        root, id = str(pack.root), pack.manifest.pack_id
        if id in ids:
            step = "Leave one of them out, or its policies."
            raise Invalid(f"Two packs are called {id!r}.", code="pack_twice", next_step=step, place=root)
        ids.add(id)
        own = frozenset((*(agent.name for agent in agents.get(root, ())), *_flows(pack)))
        yield PackPolicies(id, root, _files(pack), own, frozenset(tools.get(root, ())), pack.tenants)


def _flows(pack: Opened) -> Iterator[str]:
    """What the flows of a pack are called where it is loaded."""
    for path, text in pack.flows.items():
        yield hosted_name(parse(text.decode(), path).flow, pack_of(f"{pack.manifest.pack_id}/flow"), is_shared=True)


def _files(pack: Opened) -> dict[str, str]:
    """The texts of a pack's policies and meters. Cases for them are for whoever writes the pack."""
    found: dict[str, str] = {}
    for path, data in pack.policies.items():
        name = PurePosixPath(path).name
        if name == SETTINGS:
            message, step = "A pack does not choose what is built in.", f"Leave {SETTINGS} out: it is the tenant's."
            raise Invalid(message, code="policy_settings", next_step=step, place=f"{pack.root}/{path}")
        if name.endswith(".cedar") or name == METERS_FILE:
            found[path] = _text(data, f"{pack.root}/{path}")
    if sum(map(len, found.values())) > POLICIES_CHARS_MAX:
        message, step = "Its policies are too large.", "Express what repeats as groups, sets or roles."
        raise Invalid(message, code="policies_too_large", next_step=step, place=str(pack.root))
    if not any(path.endswith(".cedar") for path in found):
        step = "Take `policies` out of its entry, or build it with policies/*.cedar."
        message = "It carries no policies, and its entry puts them in force."
        raise Invalid(message, code="pack_policies_missing", next_step=step, place=str(pack.root))
    return found


def _text(data: bytes, place: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid("The file is not UTF-8 text.", code="policy_syntax", place=f"{place}:{line}:1") from None
