"""Parsers of strangers' bytes take them or refuse them with an error of ours; `make fuzz` looks for minutes."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.req("GRE-32.7")
@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_or_refuses_whatever_it_is_given(name: str) -> None:
    assert fuzzed(TARGETS[name], random.Random(name), tries=150) == []


@pytest.mark.req("GRE-32.7")
def test_what_a_parser_raises_of_its_own_is_found() -> None:
    def weak(data: bytes) -> None:
        data.decode()

    found = fuzzed(Target(weak, (b"hello",), (b"x",)), random.Random(1), tries=200)
    assert found
    assert all(each.what.startswith("UnicodeDecodeError") for each in found)
