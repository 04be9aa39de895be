"""Validators of packs: components that say whether a pack is one for them, and what they find wrong with it.

A validator is a stranger's code. It runs with nothing granted and within bounds, is asked `applies` and `validate`, and
what it says is added to what is found here: it takes nothing back. Its words are bounded and printable.

Source: greentic:pack-validate@0.1.0, interface validator; greentic-pack, `doctor --validators`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.components.limits import CallLimits
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.scope import Scope
from lichen.packs.checking.diagnostic import Diagnostic, Severity
from lichen.packs.container.archive import Archive
from lichen.packs.manifests.cbor import decoded
from lichen.packs.manifests.reading import FILE, read_manifest
from lichen.packs.proofs.sbom import CBOR, JSON
from lichen.tools.wasm.families.validator import Validator as Family
from lichen.tools.wasm.port import Answered, Invocation, TenantContext, Trapped

WORLD: Final = "greentic:pack-validate@"
LIMITS: Final = CallLimits(memory_mib=64, time_s=5.0, value_mib=16, host_calls=10_000, log_bytes=0)
SCOPE: Final = Scope("doctor", "dev")
FOUND_MAX: Final = 1_000  # by one validator
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SEVERITIES: Final[Mapping[str, Severity]] = {
    "error": "error", "fatal": "error", "warn": "warn", "warning": "warn", "info": "info", "hint": "info",
}  # fmt: skip
_MEND: Final = "Mend the validator, or leave it out."


class Validator(NamedTuple):
    """A validator's code, and what it is called in what is found."""

    name: str
    code: bytes


def carried(archive: Archive) -> tuple[Validator, ...]:
    """The validators that a pack carries: the components of its manifest that say that they are of that world.

    Raises Invalid (`pack_…`) for what no pack is.
    """
    found = [each for each in read_manifest(archive).components if each.world.startswith(WORLD)]
    return tuple(Validator(each.id, archive.read(each.file)) for each in found if each.file in archive)


def validated(archive: Archive, validator: Validator) -> tuple[Diagnostic, ...]:
    """What a validator finds wrong with a pack, nothing where the pack is none for it or has no manifest.

    Raises NotFound (`extra_missing`).
    """
    if FILE not in archive:
        return ()
    try:
        return tuple(_asked(archive, validator))
    except Trapped as trapped:
        detail = f": {trapped.detail}" if trapped.detail else ""
        return (_failed(validator, "PACK_VALIDATOR_FAILED", f"It was stopped ({trapped.kind}{detail})."),)
    except Invalid as error:
        return (_failed(validator, "PACK_VALIDATOR_INVALID", error.message),)


def untrusted(name: str, why: str) -> Diagnostic:
    """That a validator was not run."""
    hint = "Let whoever vouches for it sign it, or name its digest: `FILE@sha256:…`."
    return Diagnostic("error", "PACK_VALIDATOR_UNTRUSTED", f"{_plain(name)} is not run: {why}", "", hint)


def _asked(archive: Archive, validator: Validator) -> Iterator[Diagnostic]:
    from lichen.tools.wasm.loading import compiler  # what runs guests is loaded with the first validator

    compiled = compiler()(validator.code, validator.name)
    from lichen.tools.wasm.imports.answers import ANSWERS
    from lichen.tools.wasm.running.program import Program

    program, family = Program(compiled, ANSWERS), Family()
    if family.fits(program.exports) is None:
        raise Invalid("It exports no `validate` of pack-validate@0.1.0.", code="component_unknown_abi")
    pack = _inputs(archive)

    def answer(operation: str) -> Answered:
        from lichen.tools.wasm.imports.host import ungranted

        instance = program.instance(LIMITS, ungranted(LIMITS))
        try:
            return family.invoke(instance, program.exports, Invocation(operation, pack, TenantContext(SCOPE)))
        finally:
            instance.close()

    if answer("applies").payload["applies"]:
        said: list[Mapping[str, str | None]] = answer("validate").payload["diagnostics"]
        yield from (_found(validator, each) for each in said[:FOUND_MAX])


def _inputs(archive: Archive) -> Mapping[str, Any]:
    """What a validator is told of a pack."""
    return {
        "manifest_cbor": base64.b64encode(archive.read(FILE)).decode(),
        "sbom_json": _sbom(archive),
        "file_index": sorted(archive),
    }


def _sbom(archive: Archive) -> str:
    """The bill of materials as JSON; an empty one where there is none that can be read."""
    try:
        if JSON in archive:
            return archive.read(JSON).decode()
        if CBOR in archive:
            return msgspec.json.encode(decoded(archive.read(CBOR), CBOR).value).decode()
    except (LichenError, UnicodeDecodeError, TypeError):
        pass  # that it is none is found without a validator
    return "{}"


def _found(validator: Validator, said: Mapping[str, str | None]) -> Diagnostic:
    code, severity = said.get("code") or "", _SEVERITIES.get((said.get("severity") or "").lower())
    return Diagnostic(
        severity or "error",
        code if _CODE.fullmatch(code) else "PACK_VALIDATOR_FOUND",
        f"{_plain(validator.name)}: {_plain(said.get('message') or '')}",
        _plain(said.get("path") or ""),
        _plain(said.get("hint") or ""),
    )


def _failed(validator: Validator, code: str, message: str) -> Diagnostic:
    return Diagnostic("error", code, f"{_plain(validator.name)}: {message}", "", _MEND)


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
