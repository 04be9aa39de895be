"""`pack.lock.cbor`: which bytes each component was when the pack was built, and what its operations took and gave.

Source: Greentic `pack.lock.cbor` version 1 (canonical CBOR); `describe_hash` is the SHA-256 of the canonical CBOR of
what the component describes itself as, `schema_hash` that of `{input, output, config}`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.packs.container.archive import Archive
from lichen.packs.manifests.cbor import canonical, decoded, is_canonical
from lichen.packs.manifests.words import ComponentId, Digest, Operation

FILE: Final = "pack.lock.cbor"
_REBUILD: Final = "Build the pack anew, with `lichen pack build`."


class LockedOperation(msgspec.Struct, frozen=True):
    """An operation, and the hash of its schemas."""

    operation_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    schema_hash: Digest


class Locked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A component as it was: its file's SHA-256, the hash of its description, and its operations by id."""

    component_id: ComponentId
    abi_version: Annotated[str, msgspec.Meta(max_length=64)]
    resolved_digest: Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
    describe_hash: Digest
    operations: Annotated[tuple[LockedOperation, ...], msgspec.Meta(max_length=4_096)]
    ref: str | None = None
    world: str | None = None
    component_version: str | None = None
    role: str | None = None


class Lock(msgspec.Struct, frozen=True):
    """Every component of a pack as it was, by id."""

    version: Literal[1]
    components: Annotated[Mapping[str, Locked], msgspec.Meta(max_length=4_096)]


def read_lock(archive: Archive) -> Lock | None:
    """A pack's lock; None where it has none. Raises Invalid (`pack_lock_invalid`, `cbor_…`)."""
    if FILE not in archive:
        return None
    data, place = archive.read(FILE), f"{archive.name}!/{FILE}"
    value = decoded(data, place).value
    if not is_canonical(data, place):
        message = "It is not in canonical CBOR."
        raise Invalid(message, code="pack_lock_invalid", place=place, next_step=_REBUILD)
    try:
        lock = msgspec.convert(value, Lock)
    except msgspec.ValidationError as error:
        found = misfit(error)
        message, at = f"{found.message}.", f"{place}#{found.pointer}"
        raise Invalid(message, code="pack_lock_invalid", place=at, next_step=_REBUILD) from None
    for name, each in lock.components.items():
        ids = [operation.operation_id for operation in each.operations]
        if name != each.component_id or ids != sorted(set(ids)):
            message = "A component is listed under another name, or its operations are not in order."
            at = f"{place}#/components/{name}"
            raise Invalid(message, code="pack_lock_invalid", place=at, next_step=_REBUILD)
    return lock


def locked(
    component_id: str, wasm: bytes, operations: tuple[Operation, ...], description: Any, *, abi: str, config: Any = None
) -> Locked:
    """A component as it is now. `description` is what it says of itself, None where it says nothing."""
    digest = hashlib.sha256(wasm).hexdigest()
    held = (LockedOperation(each.name, schema_hash(each, config)) for each in operations)
    described = digest if description is None else hashlib.sha256(canonical(description)).hexdigest()
    ordered = tuple(sorted(held, key=lambda operation: operation.operation_id))
    return Locked(component_id, abi, f"sha256:{digest}", described, ordered)


def lock_of(components: Mapping[str, Locked]) -> bytes:
    """The lock of these components, as canonical CBOR."""
    return canonical({"version": 1, "components": msgspec.to_builtins(components)})


def schema_hash(operation: Operation, config: Any) -> str:
    """The hash of what an operation takes and gives, and of what configures its component."""
    said = {"input": operation.input_schema, "output": operation.output_schema, "config": config}
    return hashlib.sha256(canonical(_whole(said))).hexdigest()


def _whole(value: Any) -> Any:
    """A schema without fractions, which canonical CBOR cannot hold: they stand there as JSON writes them."""
    match value:
        case float():
            return int(value) if value.is_integer() else repr(value)
        case dict():
            return {key: _whole(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [_whole(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
