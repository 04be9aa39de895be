"""The policies of one tenant and environment: loaded all or nothing, validated against the schema of its tools.

A directory holds `*.cedar` files, and optionally `meters.toml` and `policy.toml`; a folder in it that is named after an
environment holds more of the first two, for that environment alone. Nothing is allowed that no permit allows. The
permits of `DEFAULT`, for operations on the runtime, are part of every set; those of `BASE` too, unless `policy.toml`
says `base = false`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from cedarpy import pst

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.policy import MODEL_METERS, RUN_METERS, Meter
from lichen.core.words.errors import Invalid
from lichen.gate.access.rules import OPEN, AccessRules
from lichen.gate.cedar import policyset as cedar
from lichen.gate.cedar.statements import Statement, statements
from lichen.gate.rules.annotations import Terms, annotated_at, terms_of
from lichen.gate.rules.bounds import POLICIES_MAX, check_bounds
from lichen.gate.rules.checks import (
    applies_to_nothing,
    awaits,
    check_conditions,
    check_paths,
    counts_models,
    counts_runs,
    stand_ins,
    syntax,
    unfit,
)
from lichen.gate.rules.declarations import declared_meters, files_in, policy_settings
from lichen.gate.rules.identity import MAY
from lichen.gate.rules.mentions import pending_read
from lichen.gate.rules.packed import PackPolicies, check_permit, owned, renamed
from lichen.gate.rules.schema import PRINCIPALS, Action, PolicySchema, schema_of

FILES_BYTES_MAX: Final = 16 * 1024 * 1024

BASE: Final = """\
// Whoever the door let in may talk to an agent; an agent may answer, think, and use tools without effects.
@id("base.talk")
permit(principal, action in [Action::"session.open", Action::"run.start", Action::"message.send"], resource);

@id("base.think")
permit(principal is Agent, action == Action::"model.invoke", resource);

@id("base.look")
permit(principal is Agent, action in Action::"tool.call.none", resource);

// Who is asked answers; approvals, calls in doubt and the rest are for operators.
@id("base.answer")
permit(principal, action == Action::"wait.answer", resource)
when { resource in [Wait::"clarification", Wait::"external"] };

@id("base.operate")
permit(principal is Operator, action == Action::"wait.answer", resource);

// A channel uses the secrets that lichen.toml names for it.
@id("base.channel")
permit(principal is Service in Role::"channel", action == Action::"secret.use", resource);
"""
"""The built-in permits, kept small: default deny stands for all the rest."""


def _by_default() -> str:
    """A permit for each kind of actor: whatever the table of identities gives it, but for what `BASE` is about, and for
    secrets, which only permits of the tenant's own hand out."""
    permits: list[str] = []
    for kind, actions in MAY.items():
        named = ", ".join(f'Action::"{action}"' for action in sorted(actions) if action not in _IN_BASE)
        if named:
            head = f'@id("lichen/{kind}")\npermit(principal is {PRINCIPALS[kind]}, action in [{named}], resource);\n'
            permits.append(head)
    return "".join(permits)


_IN_BASE: Final[tuple[Action, ...]] = (
    "message.send", "model.invoke", "run.start", "secret.use", "session.open", "wait.answer",
)  # fmt: skip
DEFAULT: Final = _by_default()
"""What each kind of actor may ask of the runtime, as permits. Always in force: policies take away from it by forbid."""

STARTER: Final = """\
// For trying things out, when no policies are given: any tool may be used, and an operator agrees to lasting effects.
@id("starter.use")
permit(principal is Agent, action in [Action::"tool.call.idempotent", Action::"tool.call.child"], resource);

@id("starter.secrets")
permit(principal is Agent, action == Action::"secret.use", resource);

@id("starter.ask")
@approval("operator")
@public("A person has to agree to this first.")
@reason("The starter policies ask an operator before every call that cannot be repeated safely.")
permit(principal is Agent, action in Action::"tool.call.once", resource);
"""
"""What is added to BASE when there is no policies directory. Whoever uses it says so at start."""


class PolicySet(msgspec.Struct, frozen=True):
    """Policies ready to decide. `terms[n]` belongs to policy number n; `digest` pins everything that was loaded.

    `pending` names the meters whose unsettled sums the policies read, None for all. `counts_models`: whether they read
    what models used when one is asked, `counts_runs` what was counted before a run is started. `access` are the rules
    of access beside them, which come first.
    """

    digest: str
    files: Mapping[str, str]
    schema: PolicySchema
    meters: tuple[Meter, ...]
    terms: tuple[Terms, ...]
    decide: cedar.Decide
    pending: frozenset[str] | None
    counts_models: bool = False
    counts_runs: bool = False
    access: AccessRules = OPEN

    def beside(self, access: AccessRules) -> PolicySet:
        """The same policies beside rules of access, which the digest then pins too."""
        if not access.digest:
            return self
        digest = hashlib.sha256(f"{self.digest}\x00{access.digest}".encode()).hexdigest()
        return msgspec.structs.replace(self, digest=digest, access=access)


def load_policies(
    directory: Path,
    tools: Iterable[ToolSpec],
    *,
    env: str | None = None,
    servers: Container[str] = (),
    packs: Sequence[PackPolicies] = (),
) -> PolicySet:
    """The policies of a directory, of the folder in it that is named after the environment, if there is one, and those
    that packs bring.

    A policy that is about nothing but tools of `servers` which are not among `tools` yet is there, and says nothing.

    Raises Invalid with file, line and column: `policy_syntax`, `policy_schema`, `policy_annotation`,
    `policy_duplicate`, `meters_invalid`, `policy_settings`, `pack_policy_widens`; and `policies_missing`,
    `policies_too_large`.
    """
    if not directory.is_dir():
        raise Invalid(
            f"There is no policies directory {directory}.",
            code="policies_missing",
            next_step="Create it with at least one .cedar file, or leave the setting out to use the starter policies.",
        )
    paths = [*files_in(directory), *directory.glob("policy.toml"), *(files_in(directory / env) if env else ())]
    paths = sorted(path for path in paths if path.is_file())  # what else may bear the name has no end
    if sum(path.stat().st_size for path in paths) > FILES_BYTES_MAX:
        raise _too_large(f"The policies are larger than {FILES_BYTES_MAX} bytes.")
    files = {path.relative_to(directory).as_posix(): _read(path) for path in paths}
    return policy_set(files, tools, servers, packs)


def starter_policies(tools: Iterable[ToolSpec], packs: Sequence[PackPolicies] = ()) -> PolicySet:
    """STARTER and BASE for these tools, and what packs bring."""
    return policy_set({"starter.cedar": STARTER}, tools, packs=packs)


def policy_set(
    files: Mapping[str, str],
    tools: Iterable[ToolSpec],
    servers: Container[str] = (),
    packs: Sequence[PackPolicies] = (),
) -> PolicySet:
    """The policies of files given by name and text. Raises what `load_policies` raises for their contents."""
    known = tuple(tools)
    files = {**files, **{name: text for each in packs for name, text in each.named.items()}}
    specs: dict[str, ToolSpec] = {spec.name: spec for spec in known}
    settings = policy_settings("policy.toml", files.get("policy.toml", ""))
    meters = declared_meters(files, specs, servers)
    texts = {name: text for name, text in sorted(files.items()) if name.endswith(".cedar")}
    texts = {"(lichen)": DEFAULT, **({"(base)": BASE} if settings.base else {}), **texts}
    for name, text in texts.items():
        check_bounds(name, text)
    schema = schema_of(known, meters)
    parts = [part for name, text in texts.items() for part in statements(name, text)]
    policies = _parsed(texts, parts)
    terms = _terms(policies, parts, meters, packs)
    waiting = [awaits(policy, schema, servers) for policy in policies]
    more = {spec.name: spec for policy in policies for spec in stand_ins(policy, schema, servers)}
    checked = schema_of((*known, *more.values()), meters) if more else schema
    _check(policies, parts, terms, checked, waiting)
    if packs:
        _check_packed(policies, parts, terms, schema, packs)
    return PolicySet(
        digest=_digest({**files, **texts}),
        files=dict(files),
        schema=schema,
        meters=meters,
        terms=terms,
        decide=cedar.decider(policies),
        pending=pending_read(policies),
        counts_models=counts_models(policies, schema),
        counts_runs=counts_runs(policies, schema),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Invalid("The file is not UTF-8 text.", code="policy_syntax", place=f"{path.name}:{line}:1") from error


def _parsed(texts: Mapping[str, str], parts: list[Statement]) -> list[pst.Template]:
    if len(parts) > POLICIES_MAX:
        raise _too_large(f"There are more than {POLICIES_MAX} policies.")
    try:
        policies = cedar.parse("\n".join(texts.values()))
    except ValueError as error:
        raise syntax(parts, str(error)) from error
    assert len(policies) == len(parts), "policy n is statement n"
    return policies


def _terms(
    policies: list[pst.Template], parts: list[Statement], meters: tuple[Meter, ...], packs: Sequence[PackPolicies]
) -> tuple[Terms, ...]:
    names = [*(meter.name for meter in meters), *MODEL_METERS, *RUN_METERS]
    found: dict[str, Terms] = {}
    for policy, part in zip(policies, parts, strict=True):
        terms = terms_of(policy, part, meters=names)
        pack = owned(packs, part.file)
        terms = terms if pack is None else renamed(terms, part, pack)
        if terms.id in found:
            raise Invalid(
                f"There are two policies with the id {terms.id}.",
                code="policy_duplicate",
                next_step="Give one of them another @id.",
                place=annotated_at(part, "id"),
            )
        found[terms.id] = terms
    return tuple(found.values())


def _check(
    policies: list[pst.Template],
    parts: list[Statement],
    terms: tuple[Terms, ...],
    schema: PolicySchema,
    waiting: list[bool],
) -> None:
    for issue in cedar.validate("\n".join(part.text for part in parts), schema.cedar):
        is_vacuous = issue.is_vacuous and applies_to_nothing(policies[issue.number], schema)
        if not (is_vacuous or waiting[issue.number]):
            raise unfit(parts[issue.number], terms[issue.number].id, issue.message, schema)
    for policy, part, said, waits in zip(policies, parts, terms, waiting, strict=True):
        if not waits:
            check_paths(policy, part, said.id, schema)
            check_conditions(policy, part, said, schema)


def _check_packed(
    policies: list[pst.Template],
    parts: list[Statement],
    terms: tuple[Terms, ...],
    schema: PolicySchema,
    packs: Sequence[PackPolicies],
) -> None:
    for policy, part, said in zip(policies, parts, terms, strict=True):
        pack = owned(packs, part.file)
        if pack is not None:
            check_permit(policy, part, said, pack, schema)


def _digest(files: Mapping[str, str]) -> str:
    """SHA-256 over name and text of every file in order, each with its length, so no two sets read the same."""
    digest = hashlib.sha256(b"lichen policies 1\n")
    for text in (text for item in sorted(files.items()) for text in item):
        data = text.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _too_large(message: str) -> Invalid:
    return Invalid(message, code="policies_too_large", next_step="Express what repeats as groups, sets or roles.")
