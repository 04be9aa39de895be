"""Policy cases: files that say how calls should be decided, and whether the policies on disk decide them so.

tenant = "acme"
env = "prod"            # else the environment in whose folder the file lies, else the tenant's first

[[case]]
name = "a large refund waits for a person"
agent = "shop.support"
tool = "payments.refund"
for = "customer-7"
args = { order_id = "1042", amount = 8000 }
facts = { price = 12000, refunded = 0, owner = "customer-7" }
said = ["I want a refund of 80 EUR for order 1042."]
meters = { refunded_today = 0 }
label = []
expect = "hold"
policies = ["refund-with-approval"]

[[case]]
name = "the refund is handed its key"
agent = "shop.support"
tool = "payments.refund"
secret = "payments.key"     # whether the tool may have this secret
for = "customer-7"
expect = "allow"

[[case]]
name = "no large model once the day is nearly used up"
agent = "shop.support"
model = "openai:gpt-5"      # whether it may be asked, instead of a tool
for = "customer-7"
meters = { day_micro_usd = 9000000 }
expect = "deny"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.core.words.scope import Actor, Customer
from lichen.gate.simulation import Case, Considered, Simulated, simulate
from lichen.runtime.project.hosting import specs_of
from lichen.runtime.project.policies import loaded, place_of, places_of
from lichen.runtime.project.project import Project
from lichen.settings import Settings

SUFFIX = ".cases.toml"
CODE = "cases_invalid"


class _Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"person": "for"}):
    name: str
    agent: str
    person: str
    expect: Literal["allow", "deny", "hold"]
    tool: str = ""
    model: str = ""
    args: Mapping[str, Any] = {}
    facts: Mapping[str, Any] = {}
    said: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    meters: Mapping[str, int] = {}
    approved_by: str = ""
    secret: str = ""
    policies: tuple[str, ...] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tenant: str
    case: tuple[_Case, ...]
    env: str | None = None


class Checked(msgspec.Struct, frozen=True):
    """One case: what was expected, what the policies decide, and the policies that concern it. `is_met` if both fit."""

    file: str
    name: str
    expected: str
    expected_policies: tuple[str, ...] | None
    outcome: str
    policies: tuple[str, ...]
    reason: str
    considered: tuple[Considered, ...]

    @property
    def is_met(self) -> bool:
        """Whether verdict and policies are as expected; policies in any order."""
        same = self.expected_policies is None or sorted(self.expected_policies) == sorted(self.policies)
        return self.outcome == self.expected and same


def case_files(root: Path) -> list[Path]:
    """The case files of a project: those below its `policies` folder. Raises NotFound (`cases_missing`)."""
    found = sorted((root / "policies").rglob(f"*{SUFFIX}"))
    if not found:
        raise NotFound(
            f"There is no *{SUFFIX} below {root / 'policies'}.",
            code="cases_missing",
            next_step=f"Write policies/refunds{SUFFIX}; `lichen policy test --help` shows a case.",
        )
    return found


async def check_cases(project: Project, files: Sequence[Path], *, tenant: str | None = None) -> tuple[Checked, ...]:
    """Every case of these files, or those of one tenant, decided. Raises Invalid (`cases_invalid`) with the place, and
    what policies raise."""
    read = [(file, _read(file)) for file in files]
    wanted = [(file, found) for file, found in read if tenant in (None, found.tenant)]
    return tuple([await _checked(project, file, found, case) for file, found in wanted for case in found.case])


def _read(path: Path) -> _File:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        step = "Correct the file; `lichen policy test` reads it again."
        raise Invalid(f"{error}.", code=CODE, place=str(path), next_step=step) from None


async def _checked(project: Project, path: Path, file: _File, given: _Case) -> Checked:
    case = Case(
        given.agent,
        given.tool,
        person_of(project.settings, file.tenant, given.person),
        given.args,
        given.facts,
        given.said,
        given.label,
        given.meters,
        given.approved_by,
        given.secret,
        given.model,
    )
    try:
        found = await simulated(
            project, file.tenant, case, env=file.env or _lies_in(project.settings, path, file.tenant)
        )
    except LichenError as error:
        error.place = f"{path}: {given.name}"
        raise
    verdict = found.verdict
    return Checked(
        str(path),
        given.name,
        given.expect,
        given.policies,
        verdict.outcome,
        verdict.policies,
        verdict.operator_reason,
        found.considered,
    )


def _lies_in(settings: Settings, path: Path, tenant: str) -> str | None:
    """The environment in whose folder a case file lies."""
    declared = settings.tenants.get(tenant)
    if declared is None or declared.policies is None:
        return None
    folders = {(settings.root / declared.policies / env).resolve(): env for env in declared.environments}
    return folders.get(path.resolve().parent)


async def simulated(project: Project, tenant: str, case: Case, *, env: str | None = None) -> Simulated:
    """What the policies on disk decide about a call in an environment of a tenant, its first if none is named.

    Raises NotFound (`tenant_unknown`, `env_unknown`, `tool_unknown`).
    """
    settings = project.settings
    places_of(settings, tenant)  # raises for a tenant that is not there
    scope = settings.scope(tenant, env or settings.tenants[tenant].environments[0])
    specs = {str(spec.name): spec for spec in specs_of(project.agents)}
    policies = loaded(place_of(settings, scope), tuple(specs.values()), project.policies)
    return await simulate(policies, specs.get(case.tool), case, scope, tags=settings.models.tags_of(case.model))


def person_of(settings: Settings, tenant: str, id: str) -> Actor:
    """The declared actor of this id, else a customer."""
    declared = settings.tenants.get(tenant)
    found = next((actor for actor in declared.actors if actor.id == id), None) if declared is not None else None
    return Customer(id) if found is None else Actor(found.kind, found.id, found.roles)
