"""Validators of packs say what they find, and can do nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from lichen.cli.packs.commands import app
from lichen.packs.checking import validators
from lichen.packs.checking.diagnostic import VALIDATING, Diagnostic
from lichen.packs.checking.validators import Validator, carried, validated
from lichen.packs.container.archive import opened
from tests.packs.making import cbor, v1_files, v1_pack, v1_value
from tests.tools.wasm.families.guests import DIAGNOSTIC, PACK
from tests.tools.wasm.families.shapes import Function, Given, List, Trap, guest
from tests.tools.wasm.guests import binary

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WORLD = "greentic:pack-validate@0.1.0/pack-validator"
FOUND = {"severity": "warn", "code": "ACME_LICENCE", "message": "No licence.", "path": "a/b", "hint": "Say one."}
PARAMS = {"inputs": PACK}


def code(*found: Any, applies: Any = True, **more: Any) -> bytes:
    functions = {
        "applies": Function(PARAMS, "bool", applies),
        "validate": Function(PARAMS, List(DIAGNOSTIC), more.get("says", list(found))),
    }
    return binary(guest({"greentic:pack-validate/validator@0.1.0": functions}))


def asked(validator: bytes) -> tuple[Diagnostic, ...]:
    return validated(opened("p.gtpack", v1_pack(key=KEY)), Validator("licences", validator))


def carrying(validator: bytes, key: Ed25519PrivateKey | None = None) -> bytes:
    value = v1_value()
    value["components"].append(
        {**value["components"][0], "id": "licences", "world": WORLD, "operations": [], "config_schema": None}
    )
    files = {**v1_files(), "manifest.cbor": cbor(value), "components/licences.wasm": validator}
    return v1_pack(files, key)


@pytest.mark.req("GRE-39.2")
def test_what_a_validator_finds_is_told_with_its_own_code_and_severity() -> None:
    (found,) = asked(code(FOUND))
    assert found == Diagnostic("warn", "ACME_LICENCE", "licences: No licence.", "a/b", "Say one.")
    assert asked(code(FOUND, applies=False)) == ()
    odd = {**FOUND, "severity": "loud", "code": "no code\n", "message": "\x1b[2J gone", "path": None, "hint": None}
    (found,) = asked(code(odd))
    assert (found.severity, found.code, found.message) == ("error", "PACK_VALIDATOR_FOUND", "licences:  [2J gone")


@pytest.mark.req("GRE-39.2")
def test_a_validator_is_told_the_manifest_the_bill_of_materials_and_the_files() -> None:
    (found,) = asked(code({**FOUND, "message": Given(("inputs", "sbom-json"))}))
    said = found.message.partition(": ")[2]
    assert said.startswith('{"')
    assert "manifest.cbor" in said


@pytest.mark.req("GRE-39.3")
@pytest.mark.parametrize(
    ("validator", "told"),
    [
        (code(says=Trap()), "PACK_VALIDATOR_FAILED"),
        (code(FOUND, applies=Trap()), "PACK_VALIDATOR_FAILED"),
        (binary("(component)"), "PACK_VALIDATOR_INVALID"),
        (b"\x00asm no component", "PACK_VALIDATOR_INVALID"),
        (b"text", "PACK_VALIDATOR_INVALID"),
        (code(*[FOUND] * 1_001), "PACK_VALIDATOR_INVALID"),
    ],
)
def test_a_validator_that_fails_is_an_error_of_its_own(validator: bytes, told: str) -> None:
    assert [(each.severity, each.code) for each in asked(validator)] == [("error", told)]
    assert told in VALIDATING


@pytest.mark.req("GRE-39.3")
def test_a_validator_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "LIMITS", validators.CallLimits(time_s=0.1))
    text = guest({"greentic:pack-validate/validator@0.1.0": {"validate": Function(PARAMS, List(DIAGNOSTIC), Trap())}})
    (found,) = asked(binary(text.replace("unreachable", "(loop $on (br $on)) (i32.const 0)")))
    assert (found.code, "time" in found.message) == ("PACK_VALIDATOR_FAILED", True)


class Place:
    """A folder with a pack, its validators, and the key of whoever signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        pem = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.write("key.pem", pem)
        self.write("pack.gtpack", v1_pack(key=KEY))
        self.write("licences.wasm", code(FOUND))

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def doctor(self, pack: str, *options: str) -> tuple[int, list[str]]:
        """The exit code, and the codes of what is said."""
        told = CliRunner().invoke(app, ["doctor", str(self.folder / pack), "--json", *options], catch_exceptions=False)
        return told.exit_code, [each["code"] for each in json.loads(told.stdout)["diagnostics"]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.req("GRE-39.4")
def test_the_doctor_asks_a_validator_that_is_named(place: Place) -> None:
    file = str(place.folder / "licences.wasm")
    digest = hashlib.sha256(code(FOUND)).hexdigest()
    assert "ACME_LICENCE" not in place.doctor("pack.gtpack")[1]
    assert "ACME_LICENCE" in place.doctor("pack.gtpack", "--validator", file)[1]
    told = place.doctor("pack.gtpack", "--strict", "--validator", file)
    assert (told[0], "PACK_VALIDATOR_UNTRUSTED" in told[1], "ACME_LICENCE" in told[1]) == (2, True, False)
    assert "ACME_LICENCE" in place.doctor("pack.gtpack", "--strict", "--validator", f"{file}@sha256:{digest}")[1]
    other = place.doctor("pack.gtpack", "--validator", f"{file}@sha256:{'0' * 64}")
    assert "PACK_VALIDATOR_UNTRUSTED" in other[1]
    assert "ACME_LICENCE" not in other[1]


@pytest.mark.req("GRE-39.4")
def test_validators_of_a_pack_are_asked_where_somebody_who_is_trusted_signed_it(place: Place) -> None:
    key = ("--key", str(place.folder / "key.pem"))
    signed = str(place.write("signed.gtpack", carrying(code(FOUND), KEY)))
    unsigned = str(place.write("unsigned.gtpack", carrying(code(FOUND))))
    assert [each.name for each in carried(opened("s.gtpack", Path(signed).read_bytes()))] == ["licences"]
    assert "ACME_LICENCE" in place.doctor("pack.gtpack", "--validator", signed, *key)[1]
    refused = place.doctor("pack.gtpack", "--validator", unsigned, *key)
    assert (refused[0], "ACME_LICENCE" in refused[1], "PACK_VALIDATOR_UNTRUSTED" in refused[1]) == (2, False, True)
    assert "ACME_LICENCE" in place.doctor("signed.gtpack", "--own-validators", *key)[1]
    assert "PACK_VALIDATOR_UNTRUSTED" in place.doctor("unsigned.gtpack", "--own-validators", *key)[1]
    assert "ACME_LICENCE" not in place.doctor("signed.gtpack")[1]
