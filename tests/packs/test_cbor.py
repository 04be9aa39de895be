"""CBOR of strangers: the RFC's examples, bounds, and the same bytes again."""

from __future__ import annotations

import math
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid, LichenError
from lichen.packs.manifests.cbor import Bounds, Document, canonical, decoded, encoded, is_canonical
from tests.packs.making import Open, cbor

# RFC 8949, appendix A: those that a manifest may hold.
EXAMPLES: list[tuple[str, Any]] = [
    ("00", 0), ("01", 1), ("0a", 10), ("17", 23), ("1818", 24), ("1819", 25), ("1864", 100), ("1903e8", 1000),
    ("1a000f4240", 1_000_000), ("1b000000e8d4a51000", 1_000_000_000_000),
    ("1bffffffffffffffff", 18446744073709551615), ("3bffffffffffffffff", -18446744073709551616), ("20", -1),
    ("29", -10), ("3863", -100), ("3903e7", -1000), ("f90000", 0.0), ("f98000", -0.0), ("f93c00", 1.0),
    ("fb3ff199999999999a", 1.1), ("f93e00", 1.5), ("f97bff", 65504.0), ("fa47c35000", 100000.0),
    ("fa7f7fffff", 3.4028234663852886e38), ("fb7e37e43c8800759c", 1.0e300), ("f90001", 5.960464477539063e-8),
    ("f90400", 0.00006103515625), ("f9c400", -4.0), ("fbc010666666666666", -4.1), ("f97c00", math.inf),
    ("f9fc00", -math.inf), ("f4", False), ("f5", True), ("f6", None), ("40", b""), ("4401020304", b"\1\2\3\4"),
    ("60", ""), ("6161", "a"), ("6449455446", "IETF"), ("62225c", '"\\'), ("62c3bc", "\u00fc"),
    ("64f0908591", "\U00010151"), ("80", []), ("83010203", [1, 2, 3]), ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("a0", {}), ("a201020304", {1: 2, 3: 4}), ("a26161016162820203", {"a": 1, "b": [2, 3]}), ("9fff", []),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]), ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}), ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
]  # fmt: skip


@pytest.mark.req("GRE-29.1")
@pytest.mark.parametrize(("raw", "value"), EXAMPLES)
def test_the_examples_of_the_rfc_are_read_and_are_the_same_bytes_again(raw: str, value: Any) -> None:
    document = decoded(bytes.fromhex(raw), "x")
    assert document.value == value
    assert encoded(document).hex() == raw


REFUSED = [
    ("", "cbor_invalid"), ("0001", "cbor_invalid"), ("1c", "cbor_invalid"), ("18", "cbor_invalid"),
    ("62c328", "cbor_invalid"), ("6261", "cbor_invalid"), ("9f01", "cbor_invalid"), ("ff", "cbor_invalid"),
    ("f7", "cbor_invalid"), ("f0", "cbor_invalid"), ("f818", "cbor_invalid"), ("5f41ff", "cbor_invalid"),
    ("7f6161ff", "cbor_invalid"), ("bf6161ff", "cbor_invalid"), ("a1f401", "cbor_invalid"), ("a1a001", "cbor_invalid"),
    ("9affffffff", "cbor_invalid"), ("bbffffffffffffffff", "cbor_invalid"), ("5bffffffffffffffff", "cbor_invalid"),
    ("a2616101616102", "cbor_key_twice"), ("a201010102", "cbor_key_twice"), ("c001", "cbor_tagged"),
    ("d9d9f7d9d9f700", "cbor_tagged"), ("81c24101", "cbor_tagged"), ("81" * 60 + "00", "cbor_too_large"),
]  # fmt: skip


@pytest.mark.req("GRE-29.2")
@pytest.mark.parametrize(("raw", "code"), REFUSED)
def test_what_no_manifest_holds_is_refused_with_its_place(raw: str, code: str) -> None:
    with pytest.raises(Invalid) as told:
        decoded(bytes.fromhex(raw), "shop.gtpack!/manifest.cbor")
    assert told.value.code == code
    assert (told.value.place or "").startswith("shop.gtpack!/manifest.cbor")


@pytest.mark.req("GRE-29.2")
def test_the_place_is_the_pointer_of_what_is_wrong() -> None:
    with pytest.raises(Invalid) as told:
        decoded(cbor({"a/b": [{"x": 1}, {"~": b"y"}]}).replace(b"\x41y", b"\xc0y"), "m")
    assert told.value.place == "m#/a~1b/1/~0"


@pytest.mark.req("GRE-29.2")
def test_a_document_is_bounded_in_bytes_depth_and_values() -> None:
    bounds = Bounds(total_bytes=20, depth=2, items=5)
    assert decoded(cbor([[1, 2], 3]), "m", bounds).value == [[1, 2], 3]
    for value in ("x" * 30, [[[1]]], [1, 2, 3, 4, 5]):
        with pytest.raises(Invalid, match="cbor_too_large"):
            decoded(cbor(value), "m", bounds)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=30), inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4).map(Open)
    ),
    max_leaves=12,
)


@pytest.mark.req("GRE-29.3")
@given(VALUES, st.booleans())
def test_a_document_is_the_same_bytes_again_also_where_a_map_has_no_length(value: Any, described: bool) -> None:
    raw = (b"\xd9\xd9\xf7" if described else b"") + cbor(value)
    document = decoded(raw, "m")
    assert (document.value, document.described) == (value, described)
    assert encoded(document) == raw


@pytest.mark.req("GRE-29.1")
@given(VALUES)
def test_another_implementation_reads_what_we_write_and_we_what_it_writes(value: Any) -> None:
    plain = Document(decoded(cbor(value), "m").value)
    assert cbor2.loads(encoded(plain)) == value
    assert decoded(cbor2.dumps(value), "m").value == value


@pytest.mark.req("GRE-29.3")
@given(st.floats(allow_nan=False))
def test_a_fraction_is_written_as_short_as_it_can_be(value: float) -> None:
    raw = encoded(Document(value))
    assert decoded(raw, "m").value == value
    assert len(raw) <= len(cbor(value))


@pytest.mark.req("GRE-36.1")
def test_the_canonical_spelling_orders_keys_by_length_and_has_no_fractions() -> None:
    value = {"bb": 1, "a": [True, {"z": None, "aa": b""}], "ü": 2}
    raw = cbor({"a": [True, {"z": None, "aa": b""}], "bb": 1, "ü": 2})
    assert canonical(value) == raw
    assert is_canonical(raw, "m")
    assert not is_canonical(cbor(value), "m")
    assert not is_canonical(b"\xd9\xd9\xf7" + raw, "m")
    assert not is_canonical(cbor(Open({"a": 1})), "m")
    for wrong in ({"a": 1.5}, {1: 2}):
        with pytest.raises(Invalid, match="cbor_not_canonical"):
            canonical(wrong)


@pytest.mark.req("GRE-29.2")
@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(raw: bytes) -> None:
    try:
        document = decoded(raw, "m")
    except LichenError as error:
        assert error.code.startswith("cbor_")  # noqa: PT017 - both ways are right
    else:
        again = decoded(encoded(document), "m").value
        assert again == document.value or again != again or "nan" in repr(again)
