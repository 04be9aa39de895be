"""Folders of skills: signed whole, and which of their files are others."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from lichen.core.words.errors import Invalid, NotFound
from lichen.tools.pins.folder import files_of
from lichen.tools.pins.keys import private_pem
from lichen.tools.pins.skill import (
    SIGNATURE_FILE,
    Tampered,
    follows,
    name_of,
    sign_skill,
    signature_of,
    text_of,
    verify_skill,
)
from tests.tools.pins import sdk
from tests.tools.pins.vendor import DOMAIN, NOW, Vendor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    skill = tmp_path / "reader"
    (skill / "scripts/more").mkdir(parents=True)
    (skill / "SKILL.md").write_text('---\nname: "Book reader"\n---\nReads books.\n')
    (skill / "scripts/run.sh").write_text("#!/bin/sh\necho read\n")
    (skill / "scripts/more/ü.txt").write_bytes(b"\x00\xff")
    (skill / "link.md").symlink_to(skill / "SKILL.md")
    return skill


@pytest.mark.req("SYM-64.1")
def test_a_folder_that_we_sign_counts_for_the_sdk_and_one_that_it_signs_for_us(folder: Path) -> None:
    vendor = Vendor()
    files = files_of(folder)
    ours = sign_skill(files, name_of(files, folder.name), vendor.key, DOMAIN, NOW)
    (folder / SIGNATURE_FILE).write_text(text_of(ours))
    assert sdk.skills.verify_skill_offline(folder, vendor.said()).valid
    theirs = sdk.skills.sign_skill(folder, private_pem(vendor.key), DOMAIN)
    assert {**theirs, "signature": "", "signed_at": ""} == {
        **json.loads(text_of(ours)),
        "signature": "",
        "signed_at": "",
    }
    found = verify_skill(files_of(folder), signature_of((folder / SIGNATURE_FILE).read_bytes()), vendor.issuer(), NOW)
    assert (found.skill, found.result.valid, found.result.convention) == ("Book reader", True, "double")
    assert not found.tampered


@pytest.mark.req("SYM-64.1")
def test_files_that_were_changed_added_or_removed_are_named(folder: Path) -> None:
    vendor = Vendor()
    signed = sign_skill(files_of(folder), "reader", vendor.key, DOMAIN, NOW)
    (folder / "scripts/run.sh").write_text("#!/bin/sh\necho other\n")
    (folder / "scripts/new.sh").write_text("")
    (folder / "scripts/more/ü.txt").unlink()
    found = verify_skill(files_of(folder), signed, vendor.issuer(), NOW)
    assert found.result.error_code == "signature_invalid"
    assert found.tampered == Tampered(("scripts/run.sh",), ("scripts/new.sh",), ("scripts/more/ü.txt",))


@pytest.mark.req("SYM-64.1")
def test_a_letter_that_moves_from_a_name_into_its_text_is_noticed() -> None:
    vendor = Vendor()
    signed = sign_skill({"a": b"bc"}, "s", vendor.key, DOMAIN, NOW)
    found = verify_skill({"ab": b"c"}, signed, vendor.issuer(), NOW)
    assert found.result.error_code == "signature_invalid"
    assert found.tampered == Tampered((), ("ab",), ("a",))


@pytest.mark.req("SYM-64.2")
def test_a_version_names_the_one_before_and_may_be_past_its_time(folder: Path) -> None:
    vendor = Vendor()
    first = sign_skill(files_of(folder), "reader", vendor.key, DOMAIN, NOW)
    (folder / "new.md").write_text("x")
    second = sign_skill(
        files_of(folder), "reader", vendor.key, DOMAIN, NOW - timedelta(days=2), lasts=timedelta(days=1), previous=first
    )
    assert (first.schemapin_version, second.schemapin_version) == ("1.3", "1.4")
    assert follows(second, first)
    assert not follows(first, second)
    result = verify_skill(files_of(folder), signature_of(text_of(second).encode()), vendor.issuer(), NOW).result
    assert (result.valid, result.expired, result.previous_hash) == (True, True, first.skill_hash)


@pytest.mark.req("SYM-64.2")
def test_a_folder_counts_only_for_the_domain_in_whose_name_it_was_signed(folder: Path) -> None:
    vendor = Vendor()
    files = files_of(folder)
    signed = sign_skill(files, "reader", vendor.key, "other.example", NOW)
    assert verify_skill(files, signed, vendor.issuer(), NOW).result.error_code == "domain_mismatch"
    own = msgspec.structs.replace(signed, domain=DOMAIN)
    assert verify_skill({}, own, vendor.issuer(), NOW).result.error_code == "schema_canonicalization_failed"
    odd = msgspec.structs.replace(own, canonicalization="other")
    assert verify_skill(files, odd, vendor.issuer(), NOW).result.error_code == "canonicalization_unsupported"


@pytest.mark.req("SYM-64.2")
def test_what_cannot_be_signed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="skill_empty"):
        sign_skill({}, "x", Vendor().key, DOMAIN, NOW)
    with pytest.raises(NotFound, match="folder_missing"):
        files_of(tmp_path / "nowhere")
    (tmp_path / "/".join("abcdefghijklmnopqrstuvw")).mkdir(parents=True)
    with pytest.raises(Invalid, match="folder_too_large"):
        files_of(tmp_path)
    for data in (b"x", b"[]", b'{"signature": 3, "domain": "x"}'):
        with pytest.raises(Invalid, match="document_invalid"):
            signature_of(data)


def test_a_skill_without_a_name_is_called_as_its_folder() -> None:
    assert name_of({"SKILL.md": b"# Reads"}, "reader") == "reader"
    assert name_of({}, "reader") == "reader"
