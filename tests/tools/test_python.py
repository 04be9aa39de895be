"""What `@tool` reads off a function, what it refuses, and what reaches the function when it is called."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

from lichen.core.ports.call import (
    RESULT_BYTES_MAX,
    Arguments,
    CallMeta,
    InvalidArguments,
    NotDone,
    Retry,
    Tool,
    produced,
)
from lichen.core.words.errors import Invalid
from lichen.tools import Money, PythonTool, ResultRefused, ToolFailed, Workers, tool
from tests.tools.samples import Receipt, call_meta


@tool(name="payments.refund", effects="once", audit=["order_id"], tags=["money"], timeout_s=10, retry=Retry(3))
async def refund(
    order_id: Annotated[str, Field(description="The order to refund.", min_length=1)],
    amount: Money = 100,
    *,
    meta: CallMeta,
) -> Receipt:
    """Refunds part of an order,
    once.

    More for the reader of the code.
    """
    assert meta.idempotency_key
    return Receipt(order_id=order_id, amount=amount)


@tool
async def lookup(order_id: str) -> str:
    return f"{order_id} is on its way"


@pytest.mark.req("GOA-2.1")
def test_the_signature_and_docstring_are_the_contract() -> None:
    spec = refund.spec
    assert (spec.name, spec.description, spec.effects) == ("payments.refund", "Refunds part of an order, once.", "once")
    assert spec.input_schema == {
        "type": "object",
        "additionalProperties": False,
        "required": ["order_id"],
        "properties": {
            "order_id": {"type": "string", "minLength": 1, "description": "The order to refund."},
            "amount": {
                "type": "integer",
                "minimum": 1,
                "maximum": 10**12,
                "default": 100,
                "description": "Amount in minor units (cents).",
                "x-lichen-unit": "minor",
            },
        },
    }
    assert set(spec.output_schema["properties"]) == {"order_id", "amount"}
    assert (spec.audit, spec.tags, spec.timeout_s, spec.retry.attempts) == (("order_id",), ("money",), 10.0, 3)


def test_without_options_a_tool_is_named_for_its_module_and_counts_as_once() -> None:
    assert (lookup.spec.name, lookup.spec.effects, lookup.spec.runs) == ("test_python.lookup", "once", "loop")


def test_a_function_that_blocks_runs_in_a_thread_unless_said_otherwise() -> None:
    def block() -> None: ...

    assert tool(name="a.b")(block).spec.runs == "thread"
    assert tool(name="a.b", runs="loop")(block).spec.runs == "loop"


async def test_a_tool_is_still_the_function_it_was_made_from() -> None:
    assert await lookup("1042") == "1042 is on its way"
    assert (await refund("1042", meta=call_meta())).amount == 100
    assert (refund.__name__, refund.__module__) == ("refund", __name__)


async def test_a_tool_serves_the_engine_with_json() -> None:
    served: Tool = refund
    args = served.decode(b'{"order_id": "1042"}')
    assert json.loads(produced(await served.execute(args, call_meta())).result) == {"order_id": "1042", "amount": 100}
    assert await served.facts(args, call_meta()) == b"{}"


@pytest.mark.req("GOA-3.1")
async def test_a_tool_is_given_the_declared_defaults_as_typed_values() -> None:
    class Window(BaseModel):
        days: int = 7

    @tool(name="a.b", effects="none")
    async def search(window: Window = Window(), words: list[str] = []) -> tuple[int, bool]:  # noqa: B006, B008
        words.append("changed")
        return window.days, len(words) == 1

    args = search.decode(b"{}")
    assert args.data == b'{"window":{"days":7},"words":[]}'
    assert [await search.execute(args, call_meta()) for _ in range(2)] == [b"[7,true]", b"[7,true]"]


@pytest.mark.req("GOA-3.2")
def test_a_default_that_its_own_type_refuses_is_refused() -> None:
    def search(limit: Annotated[int, Field(ge=1)] = 0) -> None: ...

    refused(search, "default of parameter 'limit'")


@pytest.mark.req("GOA-6.1")
async def test_the_ids_and_attributes_of_the_call_arrive_in_the_tool() -> None:
    @tool(name="a.b", effects="none", runs="loop")
    def who(*, about: CallMeta) -> list[str | None]:
        return [about.run, about.session, about.turn, about.call, about.idempotency_key, about.attributes["region"]]

    result = await who.execute(Arguments(b"{}"), call_meta(region="north"))
    assert json.loads(produced(result).result) == ["run-1", "ses-1", "t1", "c1", "run-1/c1", "north"]


@pytest.mark.req("GOA-6.2")
def test_what_the_runtime_fills_in_is_not_in_the_schema_and_cannot_be_sent() -> None:
    assert "meta" not in json.dumps(refund.spec.input_schema)
    with pytest.raises(InvalidArguments) as caught:
        refund.decode(b'{"order_id": "1", "meta": {"run": "run-2"}}')
    assert [(issue.field, issue.constraint) for issue in caught.value.issues] == [("/meta", "unknown_field")]


def test_parameters_may_be_called_like_methods_of_a_model() -> None:
    @tool(name="a.b")
    async def odd(json: int, copy: int, model_config: int, schema: int, _hidden: int = 1) -> None: ...

    assert odd.decode(b'{"json":1,"copy":2,"model_config":3,"schema":4}').data == (
        b'{"_hidden":1,"copy":2,"json":1,"model_config":3,"schema":4}'
    )


@pytest.mark.parametrize("name", ["payments.refund", "shop.payments.refund", "a.b", "a1_.b_2"])
def test_a_name_has_two_or_three_lower_case_parts(name: str) -> None:
    assert tool(name=name)(nothing).spec.name == name


@pytest.mark.parametrize(
    "name",
    [
        "refund",
        "Payments.refund",
        "a.b.c.d",
        "a.",
        ".a",
        "1a.b",
        "a-b.c",
        "a.b ",
        "a.b\n",
        "lichen.tool",
        "a." + "b" * 63,
    ],
)
def test_other_names_are_refused(name: str) -> None:
    refused(nothing, "tool name|reserved", name=name)


async def nothing() -> None: ...


def refused(function: Callable[..., Any], cause: str, **options: Any) -> None:
    """Asserts that `function` makes no tool, for a cause that names `cause` and the function's place."""
    declared: dict[str, Any] = {"name": "a.b", **options}
    with pytest.raises(Invalid, match=cause) as caught:
        tool(**declared)(function)
    assert caught.value.code == "tool_invalid"
    assert caught.value.place == f"{__file__}:{function.__code__.co_firstlineno}"


def star(*args: int) -> None: ...
def stars(**kwargs: int) -> None: ...
def bare(a) -> None: ...  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
def silent(a: int): ...
def positional(a: int, /) -> None: ...
def unknown(a: Unheard) -> None: ...  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownParameterType]
def untyped(a: threading.Thread) -> None: ...
def called(a: Callable[[], int]) -> None: ...
def field(a: int = Field(ge=1)) -> None: ...
def meta_first(meta: CallMeta) -> None: ...
def metas(*, meta: CallMeta, more: CallMeta) -> None: ...
def many() -> Iterator[int]:
    yield 1


async def many_later() -> AsyncIterator[int]:
    yield 1


UNTYPED: list[Any] = [bare, unknown]  # pyright: ignore[reportUnknownVariableType]


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (star, "'args' takes arguments without names"),
        (stars, "'kwargs' takes arguments without names"),
        (UNTYPED[0], "'a' has no annotation"),
        (silent, "result has no annotation"),
        (positional, "'a' cannot be given by name"),
        (UNTYPED[1], "Unheard"),
        (untyped, "Thread"),
        (called, "annotations cannot be used"),
        (field, "'a' has a Field"),
        (meta_first, "keyword-only"),
        (metas, "Two parameters"),
        (many, "generator"),
        (many_later, "generator"),
    ],
)
def test_a_function_without_a_full_signature_is_refused_with_its_place(
    function: Callable[..., Any], cause: str
) -> None:
    refused(function, cause)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"runs": "thread"}, "async"),
        ({"effects": "child"}, "effects"),
        ({"timeout_s": 0}, "bound"),
        ({"cost": -1}, "bound"),
        ({"retry": Retry(0)}, "bound"),
        ({"audit": ["order"]}, "audit names 'order'"),
        ({"record_fields": ["a"]}, "record_fields names 'a'"),
        ({"record_fields": ["a"], "origin": "third_party"}, "record_fields names 'a'"),
        ({"effects": "none", "probe": nothing}, "probe"),
    ],
)
def test_options_that_contradict_the_function_are_refused(options: dict[str, Any], cause: str) -> None:
    refused(nothing, cause, **options)


def test_only_a_function_is_a_tool() -> None:
    with pytest.raises(Invalid, match="Only a function"):
        tool(name="a.b")(threading.Event)


def test_types_may_be_defined_beside_the_function() -> None:
    class Local(BaseModel):
        a: int

    @tool(name="a.b")
    async def use(local: Local) -> Local:
        return local

    assert use.decode(b'{"local":{"a":1}}').data == b'{"local":{"a":1}}'


class Struct(msgspec.Struct):
    total: float


@dataclass
class Data:
    total: float


class Dictionary(TypedDict):
    total: float


class Model(BaseModel):
    total: float


def returns(annotation: Any, value: Any) -> PythonTool[..., Any]:
    """A tool that declares `annotation` and returns `value`."""

    async def give() -> Any:
        return value

    give.__annotations__["return"] = annotation
    return tool(name="a.give")(give)


@pytest.mark.req("GOA-2.9")
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Struct, Struct(1.5)),
        (Data, Data(1.5)),
        (Dictionary, {"total": 1.5}),
        (Model, Model(total=1.5)),
        (Model, {"total": 1.5}),
    ],
)
async def test_a_result_is_json_of_the_declared_type(annotation: Any, value: Any) -> None:
    given = returns(annotation, value)
    assert await given.execute(Arguments(b"{}"), call_meta()) == b'{"total":1.5}'
    assert set(given.spec.output_schema["properties"]) == {"total"}


@pytest.mark.req("GOA-2.9")
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "5"),
        (None, 5),
        (Model, None),
        (Model, {"total": "hunter2"}),
        (Model, Model.model_construct(total="hunter2")),
        (Model, Model(total=float("nan"))),
        (Data, Data(float("inf"))),
        (Struct, Struct(float("nan"))),
        (Struct, Struct("hunter2")),  # pyright: ignore[reportArgumentType]
        (list[Struct], [1]),
        (str, "\ud800"),
        (Any, object()),
        (list[int], [1, "hunter2"]),
    ],
)
async def test_a_result_of_another_type_is_refused_without_its_value(annotation: Any, value: Any) -> None:
    with pytest.raises(ResultRefused) as caught:
        await returns(annotation, value).execute(Arguments(b"{}"), call_meta())
    assert caught.value.code == "result_invalid"
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.req("GOA-2.9")
async def test_a_result_has_a_bound_in_bytes() -> None:
    said = await returns(str, "x" * (RESULT_BYTES_MAX - 2)).execute(Arguments(b"{}"), call_meta())
    assert len(produced(said).result) == RESULT_BYTES_MAX
    with pytest.raises(ResultRefused) as caught:
        await returns(str, "x" * (RESULT_BYTES_MAX - 1)).execute(Arguments(b"{}"), call_meta())
    assert caught.value.code == "result_too_large"


async def test_what_the_function_raises_reaches_the_engine_as_it_is() -> None:
    @tool(name="a.b")
    async def fail(code: str) -> None:
        raise NotDone("No.", code=code)

    with pytest.raises(NotDone) as caught:
        await fail.execute(Arguments(b'{"code":"closed"}'), call_meta())
    assert caught.value.code == "closed"


@pytest.mark.parametrize("args", [b"", b"{}", b'{"order_id": 5}'])
async def test_arguments_that_no_longer_fit_mean_that_nothing_was_done(args: bytes) -> None:
    with pytest.raises(NotDone) as caught:
        await refund.execute(Arguments(args), call_meta())
    assert (caught.value.code, caught.value.retryable) == ("arguments_invalid", False)


async def test_a_tool_without_workers_means_that_nothing_was_done() -> None:
    @tool(name="a.b")
    def block() -> None: ...

    with pytest.raises(NotDone) as caught:
        await block.execute(Arguments(b"{}"), call_meta())
    assert caught.value.code == "workers_missing"


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError()])
@pytest.mark.parametrize("runs", ["loop", "thread"])
async def test_a_tool_that_tries_to_end_more_than_its_call_ends_only_its_call(error: BaseException, runs: Any) -> None:
    @tool(name="a.b", runs=runs)
    def end() -> None:
        raise error

    async with Workers() as workers:
        with pytest.raises(ToolFailed):
            await end.with_workers(workers).execute(Arguments(b"{}"), call_meta())


async def test_the_cancellation_of_a_call_is_no_failure_of_the_tool() -> None:
    @tool(name="a.b")
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wait.execute(Arguments(b"{}"), call_meta())
