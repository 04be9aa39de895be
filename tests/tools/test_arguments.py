"""Arguments are decoded once: what was checked is what every reader and the tool itself are given."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from pydantic.functional_validators import AfterValidator

from lichen.core.ports.call import Arguments
from lichen.tools import tool
from lichen.tools.arguments.codec import ArgumentCodec
from lichen.tools.python.function import are_fixed, read
from lichen.tools.python.tool import PythonTool
from tests.tools.samples import Receipt, call_meta

LOOSE = b'{ "order_id": "1042", "amount": 5 }'
CANONICAL = b'{"amount":5,"order_id":"1042"}'


class Counted(BaseModel):
    total: int


def counting() -> tuple[PythonTool[..., Any], list[int]]:
    """A tool with facts, a probe and an audit field, and a list that grows with every validation of its arguments."""
    passes: list[int] = []

    def counted(amount: int) -> int:
        passes.append(amount)
        return amount

    async def facts(order_id: str) -> Counted:
        return Counted(total=len(order_id))

    async def probe(order_id: str) -> Receipt:
        return Receipt(order_id=order_id, amount=0)

    @tool(name="shop.pay", facts=facts, probe=probe, audit=["order_id"])
    async def pay(order_id: str, amount: Annotated[int, AfterValidator(counted)]) -> Receipt:
        return Receipt(order_id=order_id, amount=amount)

    return pay, passes


@pytest.mark.req("GOA-2.10")
@pytest.mark.parametrize(("sent", "passes"), [(LOOSE, 2), (CANONICAL, 1)])
async def test_decoding_validates_what_was_sent_and_what_it_became_and_executing_nothing(
    sent: bytes, passes: int
) -> None:
    pay, counted = counting()
    arguments = pay.decode(sent)
    assert await pay.execute(arguments, call_meta()) == CANONICAL
    assert len(counted) == passes


@pytest.mark.req("GOA-2.10")
async def test_plain_values_are_shared_by_facts_attempts_and_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    async def facts(order_id: str) -> Counted:
        return Counted(total=len(order_id))

    @tool(name="shop.pay", facts=facts)
    async def pay(order_id: Annotated[str, Field(max_length=9)], amount: int = 1) -> Receipt:
        return Receipt(order_id=order_id, amount=amount)

    arguments = pay.decode(LOOSE)
    monkeypatch.setattr(ArgumentCodec, "_validated", None)  # whoever decodes again fails
    assert await pay.facts(arguments, call_meta()) == b'{"total":4}'
    assert [await pay.execute(arguments, call_meta()) for _ in range(2)] == [CANONICAL] * 2


@pytest.mark.req("GOA-2.11")
async def test_what_one_reader_changes_in_its_arguments_reaches_no_other() -> None:
    async def facts(rows: list[int]) -> Counted:
        rows.append(1_000_000)
        return Counted(total=sum(rows))

    @tool(name="shop.sum", facts=facts)
    async def add(rows: list[int]) -> int:
        rows.append(len(rows))
        return sum(rows)

    arguments = add.decode(b'{"rows":[7]}')
    assert await add.facts(arguments, call_meta()) == b'{"total":1000007}'
    assert [await add.execute(arguments, call_meta()) for _ in range(2)] == [b"8", b"8"]
    assert (arguments.data, arguments.fields) == (b'{"rows":[7]}', {"rows": [7]})


@pytest.mark.req("GOA-2.11")
def test_a_validator_that_makes_something_changeable_of_a_plain_value_changes_nothing_of_that() -> None:
    def rows_of(given: str) -> Any:
        return [given]

    def add(row: Annotated[str, AfterValidator(rows_of)]) -> int:
        return len(row)

    def take(row: Annotated[str, Field(max_length=3)]) -> int:
        return len(row)

    assert (are_fixed(read(add, locals())), are_fixed(read(take, locals()))) == (False, True)


@pytest.mark.req("GOA-2.10")
async def test_arguments_that_were_kept_by_another_process_are_decoded_when_they_are_needed() -> None:
    pay, counted = counting()
    assert await pay.execute(Arguments(CANONICAL), call_meta()) == CANONICAL
    assert len(counted) == 1


@pytest.mark.parametrize("sent", [LOOSE, CANONICAL])
def test_the_fields_are_those_of_the_canonical_json(sent: bytes) -> None:
    arguments = counting()[0].decode(sent)
    assert arguments.data == CANONICAL
    assert arguments.fields == json.loads(CANONICAL)
