"""How a tool asks for a secret, and what is taken out of what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lichen import CallMeta, NotDone, Secret, tool
from lichen.core.ports.call import Arguments, SecretNames
from lichen.core.ports.secrets import MASK
from lichen.core.words.errors import Invalid
from lichen.core.words.failure import Failure
from lichen.tools.spec import contract
from lichen.tools.withholding import CODE, Withholding
from lichen.tools.workers.frames import Job, pack, unpack_job
from tests.tools.samples import call_meta

KEY = Annotated[Secret, "payments.key"]
VALUE = "p/w sk_live_51H8abcdefQ"


def asks(amount: int, *, key: KEY, meta: CallMeta) -> int:
    return amount + len(key.reveal())


def reads(amount: int, *, more: Annotated[Secret, "mail/key"], key: KEY) -> dict[str, int]:
    return {}


@pytest.mark.req("SYM-95.1")
def test_a_tool_asks_by_its_parameters_and_no_model_sees_that() -> None:
    made = tool(name="till.ask", facts=reads)(asks)
    assert made.spec.secrets == SecretNames(("payments.key",), ("mail/key", "payments.key"), ())
    assert made.spec.secrets.all == ("payments.key", "mail/key")
    assert list(made.spec.input_schema["properties"]) == ["amount"]
    assert made(1, key=Secret("four"), meta=call_meta()) == 5


@pytest.mark.req("SYM-95.4")
def test_what_a_tool_asks_for_is_part_of_its_contract_and_a_contract_without_stays_what_it_was() -> None:
    def plain(amount: int) -> int:
        return amount

    bare, asking = tool(name="till.ask")(plain), tool(name="till.ask")(asks)
    assert "secrets" not in contract(bare.spec)
    assert contract(asking.spec)["secrets"] == {"call": ("payments.key",), "facts": (), "probe": ()}
    assert bare.spec.digest != asking.spec.digest


def no_name(*, key: Secret) -> int:
    return 0


def no_text(*, key: Annotated[Secret, 7]) -> int:
    return 0


def wrong_name(*, key: Annotated[Secret, "Payments.Key"]) -> int:
    return 0


def by_position(key: KEY) -> int:
    return 0


def with_default(*, key: KEY = Secret("x")) -> int:  # noqa: B008 - what is refused
    return 0


@pytest.mark.req("SYM-95.1")
@pytest.mark.parametrize("function", [no_name, no_text, wrong_name, by_position, with_default])
def test_a_parameter_that_does_not_say_which_secret_it_takes_is_refused_at_its_place(
    function: Callable[..., int],
) -> None:
    with pytest.raises(Invalid) as caught:
        tool(name="till.ask")(function)
    assert caught.value.code == "tool_invalid"
    assert (caught.value.place or "").startswith(__file__)
    assert "Annotated[Secret" in caught.value.next_step or "lower-case" in caught.value.next_step


@pytest.mark.req("SYM-95.4")
async def test_without_its_secret_a_function_is_not_entered() -> None:
    made: Any = tool(name="till.ask", runs="loop", effects="none")(_entered)
    with pytest.raises(NotDone) as caught:
        await made.execute(Arguments(b"{}"), call_meta())
    assert caught.value.code == "secret_missing"


async def _entered(*, key: KEY) -> int:
    raise AssertionError


@pytest.mark.req("SYM-95.8")
def test_a_secret_crosses_to_a_worker_process_and_nothing_shows_it_on_the_way() -> None:
    from msgspec.structs import replace

    job = Job("till", "ask", "digest", b"{}", replace(call_meta(), secrets={"payments.key": Secret(VALUE, "3")}))
    assert VALUE not in repr(job)
    came = unpack_job(pack(job)[4:]).meta.secrets["payments.key"]
    assert (came.reveal(), came.version) == (VALUE, "3")


# -- what is taken out -------------------------------------------------------------------------------------------


def without(value: object, *secrets: str) -> object:
    return json.loads(Withholding(map(Secret, secrets or (VALUE,))).json(json.dumps(value).encode()))


@pytest.mark.req("GRE-67.1")
@pytest.mark.parametrize(
    ("value", "told"),
    [
        (f"<{VALUE}>", f"<{MASK}>"),
        ([{"a": [VALUE, 1, None, True]}], [{"a": [MASK, 1, None, True]}]),
        ({VALUE: 1}, {MASK: 1}),
        ("p%2Fw%20sk_live_51H8abcdefQ", MASK),
        ("p%2Fw+sk_live_51H8abcdefQ", MASK),
        (VALUE.encode().hex(), MASK),
        ("sk_live_51H8abcdefQ", "sk_live_51H8abcdefQ"),
    ],
)
def test_a_value_is_taken_out_of_json_however_it_is_spelled(value: object, told: object) -> None:
    assert without(value) == told


@pytest.mark.req("GRE-67.1")
def test_a_number_that_is_a_secret_is_taken_out_too() -> None:
    assert without({"pin": 12345678, "price": 1.5}, "12345678") == {"pin": MASK, "price": 1.5}


@pytest.mark.req("GRE-67.1")
def test_a_line_of_a_key_is_as_secret_as_the_key() -> None:
    pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END KEY-----\n"
    assert without("bad line MIIEvQIBADANBgkqhkiG9w0B", pem) == f"bad line {MASK}"
    assert "MIIEvQ" not in str(without(json.dumps(pem), pem))


@pytest.mark.req("GRE-67.2")
def test_what_is_left_is_left_to_the_byte() -> None:
    kept = Withholding([Secret(VALUE), Secret("short")])
    data = b'{"b": 1.0,\n "a": "short"}'
    assert kept.json(data) is data
    assert kept.count == 0


@pytest.mark.req("GRE-67.1")
def test_a_failure_is_told_without_it_and_counted() -> None:
    kept = Withholding([Secret(VALUE)])
    told = kept.failure(Failure(VALUE, f"a {VALUE}", f"File x\n{VALUE}!r {VALUE}", f"/tmp/{VALUE}", 7))
    assert told == Failure(MASK, f"a {MASK}", f"File x\n{MASK}!r {MASK}", f"/tmp/{MASK}", 7)
    assert kept.count == 5
    assert kept.code("busy") == "busy"
    assert kept.code(f"no_{VALUE}") == CODE
