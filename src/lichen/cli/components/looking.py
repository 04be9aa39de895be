"""What there is to see of a component: digests, exports and imports, the way it is asked, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from blake3 import blake3

from lichen.core.components.manifest import ComponentManifest, Operation, manifest_of
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.tools.wasm.port import Described, Trapped

if TYPE_CHECKING:  # what runs guests is loaded when one is
    from lichen.tools.wasm.families.table import Spoken
    from lichen.tools.wasm.running.program import Program

FILE_BYTES_MAX: Final = 128 * 1024 * 1024
MANIFEST: Final = "component.manifest.json"
MANIFEST_BYTES_MAX: Final = 4 * 1024 * 1024
EXTRA: Final = "components"


class Finding(msgspec.Struct, frozen=True):
    """Something to know of a component before it is used."""

    severity: Literal["problem", "warning"]
    code: str
    message: str
    next_step: str


class Seen(msgspec.Struct, frozen=True):
    """A component as its file is. `others` are the families that it could be asked by as well."""

    place: str
    size_bytes: int
    sha256: str
    blake3: str
    family: str | None = None
    interface: str | None = None
    others: tuple[str, ...] = ()
    exports: Mapping[str, tuple[str, ...]] = {}
    imports: tuple[str, ...] = ()
    described: Described | None = None
    manifest: ComponentManifest | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Those of its manifest, else those that it names itself."""
        if self.manifest is not None and self.manifest.operations:
            return self.manifest.operations
        return () if self.described is None else self.described.operations


def read(path: Path) -> bytes:
    """The bytes of a component. Raises NotFound (`file_missing`), Invalid (`component_invalid`)."""
    try:
        size = path.stat().st_size
        if path.is_file() and size <= FILE_BYTES_MAX:
            return path.read_bytes()
    except OSError as error:
        step = "Name the .wasm file of a component."
        raise NotFound("The file cannot be read.", code="file_missing", next_step=step, place=str(path)) from error
    message = f"It is no file of at most {FILE_BYTES_MAX // 1024 // 1024} MiB."
    raise Invalid(message, code="component_invalid", next_step="Name the .wasm file of a component.", place=str(path))


def seen(path: Path) -> Seen:
    """A component with its description, which is asked of it with nothing granted.

    Raises NotFound (`file_missing`, `extra_missing`), Invalid (`component_invalid`).
    """
    data = read(path)
    program, found = opened(data, path)
    manifest, findings = _manifest(path, data)
    findings = (*findings, *_unanswered(program.exports.imports))
    held = Seen(
        str(path),
        len(data),
        hashlib.sha256(data).hexdigest(),
        blake3(data).hexdigest(),
        exports=program.exports.interfaces,
        imports=program.exports.imports,
        manifest=manifest,
        findings=findings,
    )
    if found is None:
        return _with(held, _unknown(held))
    held = msgspec.structs.replace(held, family=found.family.name, interface=found.interface, others=found.others)
    described, problem = _asked(lambda: _describe(program, found.family))
    held = msgspec.structs.replace(held, described=described)
    return _with(held, *(() if problem is None else (problem,)), *_compared(held))


def opened(data: bytes, path: Path) -> tuple[Program, Spoken | None]:
    """A component with what it would be answered, and how it is asked. Raises NotFound (`extra_missing`), Invalid."""
    try:
        from lichen.tools.wasm.families.table import spoken
        from lichen.tools.wasm.imports.answers import ANSWERS
        from lichen.tools.wasm.running.program import Program, compiled
    except ImportError as error:
        step = f"Install Lichen with its extra `{EXTRA}`, in a clone with `pip install '.[{EXTRA}]'`."
        message = "Components need a library that is not installed."
        raise NotFound(message, code="extra_missing", next_step=step) from error
    program = Program(compiled(data, str(path)), ANSWERS)
    return program, spoken(program.exports)


def spoken_with(data: bytes, path: Path) -> tuple[Program, Spoken]:
    """The same of one that can be asked. Raises Invalid (`component_unknown_abi`) for another."""
    program, found = opened(data, path)
    if found is None:
        step = "`lichen component inspect FILE` shows what it exports."
        message = "No way of asking this component is known."
        raise Invalid(message, code="component_unknown_abi", next_step=step, place=str(path))
    return program, found


def told(held: Seen) -> dict[str, Any]:
    """What is seen, as a tree."""
    tree: dict[str, Any] = msgspec.to_builtins(held)
    del tree["described"], tree["manifest"]
    described = held.described
    return {
        **tree,
        "name": held.manifest.id if held.manifest is not None else (described.name if described is not None else ""),
        "version": held.manifest.version if held.manifest is not None else (described.version if described else ""),
        "operations": msgspec.to_builtins(held.operations),
        "capabilities": msgspec.to_builtins(held.manifest.capabilities) if held.manifest is not None else None,
        "members": [] if described is None else list(described.members),
        "details": {} if described is None else dict(described.details),
    }


def is_good(held: Seen) -> bool:
    """Whether nothing of it is a problem."""
    return all(each.severity != "problem" for each in held.findings)


def _describe(program: Any, family: Any) -> Described:
    from lichen.core.components.limits import CallLimits
    from lichen.tools.wasm.imports.host import ungranted

    limits = CallLimits()
    instance = program.instance(limits, ungranted(limits))
    try:
        return family.describe(instance, program.exports)
    finally:
        instance.close()


def _asked(describe: Any) -> tuple[Described | None, Finding | None]:
    try:
        return describe(), None
    except Trapped as trapped:
        message = f"It was stopped while it was asked what it is: {trapped}."
        step = f"Put a {MANIFEST} beside it, or have whoever made it mend that."
        return None, Finding("problem", "component_describe_failed", message, step)
    except LichenError as error:
        return None, Finding("problem", error.code, error.message, error.next_step)


def _unknown(held: Seen) -> Finding:
    names = ", ".join(name or "functions of no interface" for name in held.exports) or "nothing"
    step = "Build it for an interface that is known; `lichen component inspect FILE` shows what it exports."
    return Finding("problem", "component_unknown_abi", f"No way of asking it is known: it exports {names}.", step)


def _manifest(path: Path, data: bytes) -> tuple[ComponentManifest | None, tuple[Finding, ...]]:
    """The manifest beside a component, and what does not fit of it."""
    beside = (path.with_suffix(".manifest.json"), path.with_name(MANIFEST))
    file = next((each for each in beside if each.is_file()), None)
    if file is None or file.stat().st_size > MANIFEST_BYTES_MAX:
        return None, ()
    try:
        manifest = manifest_of(msgspec.json.decode(file.read_bytes()), str(file))
    except (msgspec.DecodeError, RecursionError):
        return None, (Finding("problem", "component_manifest_invalid", f"{file.name} is no JSON.", "Correct it."),)
    except LichenError as error:
        return None, (Finding("problem", error.code, error.message, error.next_step),)
    said = manifest.hashes.get("component_wasm", "").removeprefix("blake3:")
    if said and said != blake3(data).hexdigest():
        message = f"{file.name} was written for another file: its hash is not this one's."
        step = f"Build both again, or write blake3:{blake3(data).hexdigest()} where it says `component_wasm`."
        return manifest, (Finding("problem", "component_hash", message, step),)
    return manifest, ()


def _unanswered(imports: tuple[str, ...]) -> tuple[Finding, ...]:
    """What it would ask that nobody answers: asking it ends the call."""
    from lichen.tools.wasm.imports.answers import ANSWERS

    names = [each for each in imports if each not in ANSWERS and not each.startswith("wasi:")]
    if not names:
        return ()
    message = f"Nobody answers what it asks of {', '.join(names[:10])}: a call that asks it ends there."
    step = "Use only operations that do not ask it, or a component that does without."
    return (Finding("warning", "component_import_unanswered", message, step),)


def _compared(held: Seen) -> tuple[Finding, ...]:
    """What its operations leave open, and what its manifest names that it does not know itself."""
    found: list[Finding] = []
    if not held.operations and held.described is not None:
        step = f"Put a {MANIFEST} beside it that names them."
        found.append(Finding("warning", "component_operations_missing", "It names no operation.", step))
    named = {each.name for each in held.described.operations} if held.described is not None else set[str]()
    for each in held.operations:
        if named and each.name not in named:
            message = f"Its manifest names the operation {each.name!r}, which the component does not."
            found.append(Finding("warning", "component_operation_unknown", message, "Correct the manifest."))
    bare = [each.name for each in held.operations if not each.input_schema]
    if bare:
        message = f"What it takes is not said: {', '.join(bare[:10])}."
        step = "Have it describe its input; a model has to guess otherwise."
        found.append(Finding("warning", "component_schema_missing", message, step))
    return tuple(found)


def _with(held: Seen, *more: Finding) -> Seen:
    return msgspec.structs.replace(held, findings=(*held.findings, *more))
