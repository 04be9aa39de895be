"""Tools of a component: which family it is of, which of its operations are tools, and what they may."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lichen.core.components.capabilities import NOTHING, Capabilities
from lichen.core.components.manifest import ComponentManifest, Operation
from lichen.core.components.terms import AskedTerms, ComponentTerms
from lichen.core.ports.call import ArtifactSpec, CircuitBreaker, Effects, SecretNames, ToolSpec
from lichen.core.words.errors import Invalid, NotFound
from lichen.tools.arguments import bounded
from lichen.tools.faults import faults
from lichen.tools.spec import NAME_CHARS_MAX, checked_name, pinned, tool_invalid
from lichen.tools.wasm.component import Component, Named
from lichen.tools.wasm.component_tool import LOG, ComponentTool
from lichen.tools.wasm.port import Described, Exports, Family, Trapped

if TYPE_CHECKING:  # what runs guests is loaded where there are some
    from wasmtime.component import Component as Compiled

FILE_BYTES_MAX: Final = 128 * 1024 * 1024
COMPONENT: Final = b"\x00asm\x0d\x00\x01\x00"  # the begin of every component
EXTRA: Final = "components"
OBJECT: Final[Mapping[str, Any]] = {"type": "object"}
ANYTHING: Final[Mapping[str, Any]] = {}
Compile = Callable[[bytes, str], "Compiled"]
"""Makes code of a file, whose place it is told."""

STATE_STORE: Final = "greentic:state/state-store"
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+")


class Loaded(NamedTuple):
    """A component's tools; the others of the families that it speaks, by the interface that says so."""

    tools: tuple[ComponentTool, ...]
    digest: str
    family: str
    others: tuple[str, ...] = ()


def loaded(
    data: bytes,
    terms: ComponentTerms,
    families: Sequence[Family],
    *,
    place: str,
    manifest: ComponentManifest | None = None,
    compiling: Compile | None = None,
    awaits: Callable[[bytes], bool] | None = None,
) -> Loaded:
    """The tools of a component as a project wants them. One that `awaits` holds of, and whose manifest says its
    operations, is compiled by its first call, which then fails with what would be raised here.

    Raises Invalid (`component_invalid`, `component_digest`, `component_config`, `component_unknown_abi`,
    `tool_invalid`), NotFound (`extra_missing`).
    """
    digest = _checked_digest(data, terms, place)
    if manifest is not None and _says_all(manifest, terms) and awaits is not None and awaits(data):
        return _awaiting(data, terms, families, place, manifest, digest, compiling or compiler())
    found = _found(
        data, terms, families, place=place, manifest=manifest, digest=digest, compiling=compiling or compiler()
    )
    component, described = found.component, found.described
    _check_config(terms, manifest, place)
    tools = _tools(component, described.operations, terms, found.granted, place)
    return Loaded(tools, digest, found.family, found.others)


def _says_all(manifest: ComponentManifest, terms: ComponentTerms) -> bool:
    """Whether nothing has to be read from the component itself: not its operations, and not what it would be granted
    because it imports it."""
    wanted = manifest.capabilities
    most = wanted.besides(Capabilities(env=True, random=True, clocks=True))
    return bool(manifest.operations) and terms.allow.of(most) == terms.allow.of(wanted.besides(NOTHING))


def _awaiting(
    data: bytes,
    terms: ComponentTerms,
    families: Sequence[Family],
    place: str,
    manifest: ComponentManifest,
    digest: str,
    compiling: Compile,
) -> Loaded:
    """The tools of a component whose manifest says all that has to be known before it is asked."""
    if not data.startswith(COMPONENT):
        step = "Build it again, as a component: `componentize-py`, `jco` or `wasm-tools component new` make one."
        raise Invalid("It is no component.", code="component_invalid", place=place, next_step=step)
    _check_config(terms, manifest, place)
    granted = terms.allow.of(manifest.capabilities.besides(NOTHING))
    component = Component(
        lambda: compiling(data, place),
        _named(terms, granted),
        lambda exports: _fitting(exports, families, place)[0],
        digest,
        len(data),
    )
    return Loaded(_tools(component, manifest.operations, terms, granted, place), digest, manifest.world)


def _tools(
    component: Component, described: Sequence[Operation], terms: ComponentTerms, granted: Capabilities, place: str
) -> tuple[ComponentTool, ...]:
    operations = [each for each in described if terms.is_wanted(each.name)]
    _check_named(terms, described, place)
    specs = [_spec(each, terms, granted, component.digest) for each in operations]
    return tuple(ComponentTool(spec, each.name, component) for spec, each in zip(specs, operations, strict=True))


class _Found(NamedTuple):
    component: Component
    described: Described
    granted: Capabilities
    family: str
    others: tuple[str, ...]


def _found(
    data: bytes,
    terms: ComponentTerms,
    families: Sequence[Family],
    *,
    place: str,
    manifest: ComponentManifest | None,
    digest: str,
    compiling: Compile,
) -> _Found:
    compiled = compiling(data, place)
    from lichen.tools.wasm.running.exports import offered  # with the compiler, which needs it already

    exports = offered(compiled)
    fitting = _fitting(exports, families, place)
    imported = _wanted(exports)
    granted = terms.allow.of(imported if manifest is None else manifest.capabilities.besides(imported))
    component = Component(compiled, _named(terms, granted), lambda exports: fitting[0], digest)
    described = _described(component, manifest, place)
    return _Found(component, described, granted, fitting[0].name, tuple(family.name for family in fitting[1:]))


def _named(terms: ComponentTerms, granted: Capabilities) -> Named:
    variables = {name: terms.allow.env[name] for name in granted.variables}
    return Named(terms.name, granted, terms.limits, terms.config, terms.allow.private, variables, terms.asks)


def _fitting(exports: Exports, families: Sequence[Family], place: str) -> list[Family]:
    """The families that a component is of. Raises Invalid (`component_unknown_abi`) where there is none."""
    fitting = [family for family in families if family.fits(exports) is not None]
    if not fitting:
        step = f"It exports: {', '.join(exports.interfaces) or 'nothing'}. Build it for an interface that is known."
        raise Invalid(
            "No way of asking this component is known.", code="component_unknown_abi", place=place, next_step=step
        )
    return fitting


def _described(component: Component, manifest: ComponentManifest | None, place: str) -> Described:
    """What the manifest says of its operations, or else what it says itself."""
    if manifest is not None and manifest.operations:
        return Described(manifest.name, manifest.version, manifest.operations, manifest.capabilities)
    try:
        return component.describe()
    except Trapped as trapped:
        message = f"The component cannot be asked what it is: it was stopped ({trapped.kind})."
        step = "Put its component.manifest.json beside it, or mend it."
        raise Invalid(message, code="component_invalid", place=place, next_step=step) from None


def _wanted(exports: Exports) -> Capabilities:
    """What a component without a manifest wants: what it imports."""

    def has(name: str) -> bool:
        return any(each.startswith(name) for each in exports.imports)

    return Capabilities(
        env=has("wasi:cli/environment"),
        random=has("wasi:random/"),
        clocks=has("wasi:clocks/"),
        state_read=has(STATE_STORE),
        state_write=has(STATE_STORE),
        state_delete=has(STATE_STORE),
        http=has("greentic:http/"),
        telemetry=has("greentic:telemetry/"),
    )


def compiler() -> Compile:
    """What compiles components. Raises NotFound (`extra_missing`)."""
    try:
        from lichen.tools.wasm.running.program import compiled
    except ImportError as error:
        step = f"Install Lichen with its extra `{EXTRA}`, in a clone with `pip install '.[{EXTRA}]'`."
        raise NotFound(
            "Components need a library that is not installed.", code="extra_missing", next_step=step
        ) from error
    return compiled


def _checked_digest(data: bytes, terms: ComponentTerms, place: str) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if terms.digest and terms.digest != digest:
        step = f"If this is the file you mean, write digest = {digest!r}."
        raise Invalid("The file is not the one that is pinned.", code="component_digest", place=place, next_step=step)
    return digest


def _check_config(terms: ComponentTerms, manifest: ComponentManifest | None, place: str) -> None:
    schema = manifest.config_schema if manifest is not None else None
    if schema is None:
        return
    problem = bounded.misfit(schema, dict(terms.config or {}))
    if problem is not None:
        step = f"Correct `config` at {problem.place or '/'}: {problem.message}"
        raise Invalid("The component cannot be configured so.", code="component_config", place=place, next_step=step)


def _check_named(terms: ComponentTerms, operations: Sequence[Operation], place: str) -> None:
    known = [each.name for each in operations]
    for name in (*terms.only, *terms.without, *terms.operations):
        if name not in known:
            step = f"It has: {', '.join(known[:10]) or 'none'}."
            raise Invalid(
                f"The component has no operation {name!r}.", code="component_invalid", place=place, next_step=step
            )


def _spec(operation: Operation, terms: ComponentTerms, granted: Capabilities, digest: str) -> ToolSpec:
    said = terms.operations.get(operation.name, AskedTerms())
    effects: Effects = said.effects or ("once" if granted.changes_world else "none")
    spec = ToolSpec(
        name=checked_name(_name(operation, terms, said)),
        description=operation.summary or f"{operation.name} of the component {terms.name}.",
        effects=effects,
        input_schema={**OBJECT, **operation.input_schema} if operation.input_schema else OBJECT,
        output_schema=(operation.output_schema if effects == "none" else None) or ANYTHING,
        timeout_s=terms.timeout_s,
        tags=("component", f"component:{digest}", *said.tags),
        origin=said.origin or terms.origin,
        runs="thread",
        confirm=said.confirm,
        secrets=SecretNames(call=granted.secrets),
        artifacts={LOG: ArtifactSpec({}, "internal", "What the component wrote, and what it was refused.")},
        breaker=CircuitBreaker(codes=("component_time", "component_memory")),
    )
    for message, step in faults(spec):
        raise tool_invalid(message, place=spec.name, next_step=step)
    return pinned(spec)


def _name(operation: Operation, terms: ComponentTerms, said: AskedTerms) -> str:
    own = said.name or "_".join(_WORDS.findall(operation.name)).lower()
    own = own if own[:1].isalpha() else f"op_{own}"
    return f"{terms.name}.{own}"[:NAME_CHARS_MAX].rstrip("_")
