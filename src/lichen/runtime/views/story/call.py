"""A call with all that was decided about it, and how it went in a few words."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.core.ports.call import Artifact, Effects
from lichen.core.words.failure import Failure
from lichen.runtime.views.asked import Shown

GOOD = ("approved", "confirmed", "answered", "resumed", "happened")
"""The answers after which what was asked goes on."""


class Person(msgspec.Struct, frozen=True):
    """What a person answered. `name` is who that is, the pseudonym itself where nobody may know."""

    wait: str
    kind: str
    outcome: str
    name: str
    note: str
    at_us: int
    is_own: bool = False


class Handed(msgspec.Struct, frozen=True):
    """A secret that the tool of a call was handed, by name, and which version of it. Nobody is shown the value."""

    name: str
    version: str


class Call(msgspec.Struct, frozen=True):
    """A call with all that was decided about it. `outcome` is empty while it is open, `verdict` until it is decided.

    `reason` is the gate's for operators, `public_reason` what the customer may hear. Values are None once erased;
    `details` and `results` are the arguments and the result as people read them. `result_word` and `summary` tell how
    it ended. `hint` and `result_hint` are its tool's own lines about the call and its end, `artifacts` what it gave
    beside the result for people's eyes. `secrets` are those its tool was handed, at each use, and `withheld` says how
    often it said one. `runs` are the runs that executed a call of an agent, one for each attempt.
    """

    id: str
    tool: str
    effects: Effects
    arguments: Any
    details: tuple[Shown, ...] = ()
    verdict: str = ""
    policies: tuple[str, ...] = ()
    reason: str = ""
    public_reason: str = ""
    people: tuple[Person, ...] = ()
    outcome: str = ""
    code: str = ""
    result: Any = None
    results: tuple[Shown, ...] = ()
    failure: Failure | None = None
    attempts: int = 0
    result_word: str = ""
    summary: str = ""
    secrets: tuple[Handed, ...] = ()
    withheld: int = 0
    hint: str = ""
    result_hint: str = ""
    artifacts: tuple[Artifact, ...] = ()
    runs: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """How it ended in one word: `denied` by the gate, `declined` by a person, `done`, `failed`, …"""
        if self.outcome == "denied":
            return "declined" if any(person.outcome not in GOOD for person in self.people) else "denied"
        return {"ok": "done"}.get(self.outcome, self.outcome)

    @property
    def said(self) -> str:
        """`payments.refund denied by refund-within-price`."""
        agreed = next((p for p in reversed(self.people) if p.outcome in GOOD), None)
        refused = next((p for p in reversed(self.people) if p.outcome not in GOOD), None)
        match self.word:
            case "denied":
                is_decided = self.policies and self.verdict != "allow"  # what was allowed was stopped by something else
                by = f" by {', '.join(self.policies)}" if is_decided else f": {self.reason or self.code}"
                return f"{self.tool} denied{by}"
            case "declined":
                assert refused is not None
                if refused.outcome == "expired":
                    return f"{self.tool} was not answered in time"
                return f"{self.tool} declined by {refused.name or 'nobody'}"
            case "done":
                return f"{self.tool} done" + (f", {agreed.outcome} by {agreed.name}" if agreed else "")
            case "":
                return f"{self.tool} is open"
            case word:
                return f"{self.tool} {word.replace('_', ' ')}" + (f": {self.code}" if self.code else "")
