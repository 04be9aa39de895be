"""What decides in a tenant as operators read it: its policies file by file, and what its meters have counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from lichen.core.ports.policy import Meter
from lichen.gate.rules.policies import PolicySet
from lichen.gate.rules.reading import Effect, Written, written

BUILT_IN: Final = ("(lichen)", "(base)")  # the files of what is always in force
_CLAUSE = re.compile(r"\b(?:when|unless)\s*\{")
_COMPARED = re.compile(r"context\.meters\.(\w+)(?:\s*\+\s*context\.args\.\w+)?\s*(?:<=|<|>=|>)\s*(\d{1,18})")


class PolicyView(msgspec.Struct, frozen=True):
    """One policy: where it begins, whom and what it is about (its head, as written), under which condition, and what it
    says to operators."""

    id: str
    effect: Effect
    place: str
    head: str
    condition: str
    reason: str
    conditions: tuple[str, ...]


class PolicyFile(msgspec.Struct, frozen=True):
    """A file of policies; `is_built_in` for those that are part of every set."""

    name: str
    text: str
    policies: tuple[PolicyView, ...]
    is_built_in: bool


class PolicySetView(msgspec.Struct, frozen=True):
    """What is in force. `directory` is None for the starter policies; `loaded_at_us` is when it was put in force."""

    directory: str | None
    digest: str
    loaded_at_us: int
    files: tuple[PolicyFile, ...]
    others: tuple[str, ...]


class MeterRow(msgspec.Struct, frozen=True):
    """What is used up for somebody or something: `pending` of it is not settled. `limit` is the next sum that a policy
    compares it with, `left` what is missing to it; both None where no policy does."""

    whom: str
    used: int
    pending: int
    limit: int | None
    left: int | None
    used_text: str
    left_text: str


class MeterView(msgspec.Struct, frozen=True):
    """A meter as it is declared, the sums that policies compare it with, and who used most of it."""

    name: str
    tools: tuple[str, ...]
    counts: str
    per: str
    window: Literal["day", "forever"]
    limits: tuple[int, ...]
    rows: tuple[MeterRow, ...]


def policy_set_view(policies: PolicySet, directory: str | None, loaded_at_us: int) -> PolicySetView:
    """A set of policies as it may be read."""
    found: dict[str, list[Written]] = {}
    for one in written(policies):
        found.setdefault(one.statement.file, []).append(one)
    files = [_file(name, parts) for name, parts in found.items()]
    ordered = sorted(files, key=lambda file: (file.is_built_in, file.name))
    others = tuple(sorted(name for name in policies.files if name not in found))
    return PolicySetView(directory, policies.digest, loaded_at_us, tuple(ordered), others)


def _file(name: str, parts: list[Written]) -> PolicyFile:
    return PolicyFile(name, parts[0].statement.source, tuple(map(_policy, parts)), name in BUILT_IN)


def _policy(one: Written) -> PolicyView:
    text = one.statement.text
    body = text[text.find(one.effect) :] if one.effect in text else text
    cut = _CLAUSE.search(body)
    head, condition = (body, "") if cut is None else (body[: cut.start()], body[cut.start() :])
    terms = one.terms
    conditions = [f"asks {terms.approval.role}"] if terms.approval is not None else []
    conditions += ["asks who wants it"] if terms.confirmation is not None else []
    conditions += [f"{limit.meter} at most {limit.limit}" for limit in terms.limits]
    conditions += [f"without {', '.join(terms.redact)}"] if terms.redact else []
    head, condition = (" ".join(part.split()).rstrip("; ") for part in (head, condition))
    return PolicyView(terms.id, one.effect, one.place, head, condition, terms.reason, tuple(conditions))


def limits_of(policies: PolicySet, meter: Meter) -> tuple[int, ...]:
    """The sums that policies compare a meter with, in annotations and in plain conditions, the smallest first."""
    annotated = (each.limit for terms in policies.terms for each in terms.limits if each.meter == meter.name)
    texts = (text for name, text in policies.files.items() if name.endswith(".cedar"))
    compared = (int(sum_) for text in texts for name, sum_ in _COMPARED.findall(text) if name == meter.name)
    return tuple(sorted({*annotated, *compared}))


def next_limit(limits: Iterable[int], used: int) -> int | None:
    """The smallest sum that is not used up, else the largest; None without any."""
    each = sorted(limits)
    return next((limit for limit in each if limit > used), each[-1] if each else None)
