"""Rules of access as they decide: the closest one wins, of equals the one that stands later.

What a team's file says of a path stands above what its tenant's says, whatever the ranks.

Source: greentic-bundle and greentic-start, `gmap`: ranks 5 for a node, 4 for a flow, 3 for a pack, 2 for `pack/_`, 0
for `_`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Final

import msgspec

from lichen.core.ports.policy import Entries

EVERY: Final = "_"
AGENTS: Final = "agents"  # the pack of a project's own agents


class Path(msgspec.Struct, frozen=True):
    """What a rule is about, or what is asked for: everything, a pack, a flow in it, a node of that. Empty for what is
    not said; the flow `_` of a rule stands for all of its pack."""

    pack: str = ""
    flow: str = ""
    node: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.pack, self.flow, self.node) if part) or EVERY

    @property
    def rank(self) -> int:
        """How close a rule of this path is."""
        if self.node:
            return 5
        if self.flow:
            return 2 if self.flow == EVERY else 4
        return 3 if self.pack else 0


class Rule(msgspec.Struct, frozen=True):
    """A line of a file: whether what its path names may be come to."""

    path: Path
    is_public: bool
    line: int
    file: str

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.path} = {'public' if self.is_public else 'forbidden'}"


class Rules:
    """The rules of one file, each found by its path. Of two of one path the later one is kept."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.every: tuple[Rule, ...] = tuple(rules)
        self._by_path: dict[tuple[str, str, str], Rule] = {
            (rule.path.pack, rule.path.flow, rule.path.node): rule for rule in self.every
        }

    def find(self, path: Path) -> Rule | None:
        """The rule that decides about a path; None where none is about it."""
        found, pack = self._by_path, path.pack
        if not pack:
            return found.get(("", "", ""))
        return (
            (found.get((pack, path.flow, path.node)) if path.node else None)
            or (found.get((pack, path.flow, "")) if path.flow and path.flow != EVERY else None)
            or found.get((pack, "", ""))
            or found.get((pack, EVERY, ""))
            or found.get(("", "", ""))
        )


class Ruled(msgspec.Struct, frozen=True):
    """The answer about a path, and the rule that gave it. None: no rule is about it, and then it is forbidden."""

    path: Path
    is_public: bool
    rule: Rule | None = None

    @property
    def why(self) -> str:
        """The reason, for operators."""
        if self.rule is None:
            return f"no rule is about {self.path}" if not self.is_public else "no rules are in force"
        return f"`{self.rule}` of {self.rule.place} decides about {self.path}"


class AccessRules(msgspec.Struct, frozen=True, dict=True):
    """What is in force in a tenant's environment: its own rules, None where it has none, and those of its teams.

    Where rules are in force, what none of them is about is forbidden.
    """

    tenant: Rules | None = None
    teams: Mapping[str, Rules] = {}

    def binds(self, team: str = "") -> bool:
        """Whether any rules are in force for somebody of this team."""
        return self.tenant is not None or team in self.teams

    def decide(self, path: Path, team: str = "") -> Ruled:
        """Whether somebody of this team, or of none, may come to what the path names."""
        own = self.teams.get(team) if team else None
        if own is None and self.tenant is None:
            return Ruled(path, is_public=True)
        rule = (own.find(path) if own is not None else None) or (self.tenant.find(path) if self.tenant else None)
        return Ruled(path, rule is not None and rule.is_public, rule)

    def entries(self, team: str = "", path_of: Callable[[str], Path | None] = lambda name: None) -> Entries:
        """What a run of this team, or of none, is given of the rules. A flow that has moved to another pack since the
        run began has to be open there as well: `path_of` says where it lies now."""
        if not self.binds(team):
            return Entries()

        def refusal(name: str, pack: str, flow: str, node: str) -> str | None:
            now = path_of(name) or Path(pack, flow)
            for path in dict.fromkeys((Path(pack, flow, node), Path(now.pack, now.flow, node))):
                ruled = self.decide(path, team)
                if not ruled.is_public:
                    return ruled.why
            return None

        return Entries(self.digest, refusal)

    @cached_property
    def digest(self) -> str:
        """Pins the rules and where each stands, for the log; empty where there are none."""
        parts = [("", self.tenant), *sorted(self.teams.items())]
        said = [(team, [(rule.place, str(rule)) for rule in rules.every]) for team, rules in parts if rules is not None]
        return hashlib.sha256(b"access/1\x00" + msgspec.json.encode(said)).hexdigest() if said else ""


def agent_path(name: str) -> Path:
    """What rules call an agent that lies in no pack."""
    return Path(AGENTS, name)


OPEN: Final = AccessRules()
"""No rules: everything may be come to that policy allows."""
