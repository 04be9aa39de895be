"""Calls in processes: killed when cancelled, and a crash costs only the call it happened in."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import Arguments, NotDone, produced
from lichen.core.words.errors import Invalid
from lichen.core.words.label import Label
from lichen.tools import PythonTool, ToolFailed, Workers, tool
from tests.tools import samples
from tests.tools.samples import call_meta

DEADLINE_S = 20.0


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    async with Workers(processes=1) as made:
        yield made


async def run(tool: PythonTool[..., Any], workers: Workers, **args: Any) -> Any:
    """What `tool` returns when executed on `workers`."""
    served = tool.with_workers(workers)
    async with asyncio.timeout(DEADLINE_S):
        return json.loads(produced(await served.execute(served.decode(json.dumps(args).encode()), call_meta())).result)


def is_running(pid: int) -> bool:
    """Whether the process does anything still; one that is dead and only unnoticed by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_gone(pid: int) -> bool:
    """Whether the process is dead and its parent has noticed."""
    return not Path(f"/proc/{pid}").exists()


async def until(condition: Callable[[], bool]) -> None:
    """Returns once `condition` holds; fails after the deadline."""

    def look() -> None:
        pause = threading.Event()
        while not condition():
            assert not pause.wait(0.005)
            assert time.monotonic() < deadline_s

    deadline_s = time.monotonic() + DEADLINE_S
    await asyncio.to_thread(look)


async def pids_of(path: Path) -> tuple[int, int]:
    """The worker and its child, once a hanging call has written them down."""
    await until(path.exists)
    worker, child = path.read_text().split()  # noqa: ASYNC240 - a dozen bytes
    return int(worker), int(child)


async def test_a_process_serves_one_call_after_the_other(workers: Workers) -> None:
    assert await run(samples.add, workers, a=2) == 3
    first, key, person = await run(samples.who, workers)
    second, *_ = await run(samples.who, workers)
    assert first == second != os.getpid()
    assert (key, person) == ("run-1/c1", "customer-7")


@pytest.mark.req("GOA-6.5")
async def test_the_label_of_what_the_run_has_read_arrives_in_another_process(workers: Workers) -> None:
    meta = msgspec.structs.replace(call_meta(), label=Label(("customer:c-1", "third_party:web.fetch"), 2))
    async with asyncio.timeout(DEADLINE_S):
        result = json.loads(produced(await samples.read.with_workers(workers).execute(Arguments(b"{}"), meta)).result)
    assert result == [["customer:c-1", "third_party:web.fetch"], 2, True]


async def test_what_a_tool_prints_is_no_answer_and_its_input_is_empty(workers: Workers) -> None:
    assert await run(samples.noisy, workers) == ""


async def test_a_cancelled_call_is_gone_with_everything_it_started(workers: Workers, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = asyncio.create_task(run(samples.hang, workers, pids=str(pids)))
    worker, child = await pids_of(pids)
    assert is_running(worker)
    assert is_running(child)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_gone(worker)
    await until(lambda: not is_running(child))
    assert await run(samples.add, workers, a=2) == 3


async def test_a_call_that_runs_out_of_time_is_killed(workers: Workers, tmp_path: Path) -> None:
    async def hang_until_known() -> None:
        async with asyncio.timeout(None) as timeout:
            known.add_done_callback(lambda _: timeout.reschedule(0))
            await run(samples.hang, workers, pids=str(tmp_path / "pids"))

    known = asyncio.create_task(pids_of(tmp_path / "pids"))
    with pytest.raises(TimeoutError):
        await hang_until_known()
    assert is_gone(known.result()[0])


async def test_closing_kills_a_call_that_goes_on(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with Workers(processes=1) as workers:
        task = asyncio.create_task(run(samples.hang, workers, pids=str(pids)))
        worker, _ = await pids_of(pids)
    assert not is_running(worker)
    with pytest.raises(ToolFailed):
        await task
    with pytest.raises(NotDone) as caught:
        await run(samples.add, workers, a=1)
    assert caught.value.code == "workers_closed"


async def test_a_crash_costs_only_its_call(workers: Workers) -> None:
    with pytest.raises(ToolFailed) as caught:
        await run(samples.crash, workers)
    assert caught.value.code == "worker_crashed"
    assert await run(samples.add, workers, a=1, b=1) == 2


async def test_a_process_that_died_while_idle_is_replaced(workers: Workers) -> None:
    pid, *_ = await run(samples.who, workers)
    os.kill(pid, 9)
    await until(lambda: is_gone(pid))
    assert await run(samples.add, workers, a=1, b=1) == 2


async def test_not_done_crosses_as_itself(workers: Workers) -> None:
    with pytest.raises(NotDone) as caught:
        await run(samples.refuse, workers)
    error = caught.value
    assert (error.message, error.code, error.retryable) == ("The account is closed.", "account_closed", False)


async def test_another_error_crosses_by_name_and_its_text_only_as_its_failure(workers: Workers) -> None:
    with pytest.raises(ToolFailed) as caught:
        await run(samples.break_down, workers, secret="hunter2")
    assert caught.value.message == "The tool raised ValueError."
    assert "hunter2" not in str(caught.value)
    failure = caught.value.failure
    assert failure is not None
    assert (failure.exception, failure.file.endswith("samples.py")) == ("ValueError", True)
    assert "hunter2" in failure.message
    assert "break_down" in failure.traceback


async def test_a_tool_that_exits_ends_only_its_call(workers: Workers) -> None:
    before, *_ = await run(samples.who, workers)
    with pytest.raises(ToolFailed, match="SystemExit"):
        await run(samples.leave, workers)
    after, *_ = await run(samples.who, workers)
    assert before == after


async def test_a_result_that_is_too_large_is_told_by_its_code(workers: Workers) -> None:
    with pytest.raises(ToolFailed) as caught:
        await run(samples.overflow, workers)
    assert caught.value.code == "result_too_large"


async def test_a_call_cancelled_before_a_process_was_free_was_certainly_not_done(
    workers: Workers, tmp_path: Path
) -> None:
    first = asyncio.create_task(run(samples.hang, workers, pids=str(tmp_path / "pids")))
    await pids_of(tmp_path / "pids")
    second = asyncio.create_task(run(samples.add, workers, a=1))
    await asyncio.sleep(0.01)
    second.cancel()
    with pytest.raises(NotDone) as caught:
        await second
    assert caught.value.code == "not_started"
    first.cancel()
    await asyncio.wait({first})


async def test_code_that_changed_under_a_running_program_is_not_run(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from lichen.tools import tool\n\n@tool(runs='process')\ndef give(a: int{}) -> int:\n    return a\n"
    module = tmp_path / "changing.py"
    module.write_text(source.format(""))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    give = importlib.import_module("changing").give
    module.write_text(source.format(" = 7"))
    with pytest.raises(NotDone) as caught:
        await run(give, workers, a=1)
    assert caught.value.code == "tool_changed"


async def test_a_function_that_no_process_would_find_is_refused(workers: Workers) -> None:
    def local() -> None: ...

    for function in (local, lambda: None):
        function.__annotations__["return"] = None
        with pytest.raises(Invalid, match="importable"):
            tool(name="a.b", runs="process")(function)
    with pytest.raises(Invalid, match="would not find"):
        samples.renamed.with_workers(workers)


async def test_processes_end_with_the_program_that_started_them(tmp_path: Path) -> None:
    program = f"""
import asyncio, os
from lichen.core.ports.call import Arguments
from lichen.tools import Workers
from tests.tools.samples import call_meta, hang
async def main():
    workers = Workers(processes=1)
    args = Arguments(b'{{"pids":"{tmp_path}/pids"}}')
    task = asyncio.create_task(hang.with_workers(workers).execute(args, call_meta()))
    while not os.path.exists("{tmp_path}/pids"):
        await asyncio.sleep(0.005)
    os._exit(9)
asyncio.run(main())
"""
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await ended.wait() == 9
    worker, child = await pids_of(tmp_path / "pids")
    await until(lambda: not is_running(worker))
    os.kill(child, 9)
