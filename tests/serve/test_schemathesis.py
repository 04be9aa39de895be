"""The API is what its document says: requests made from it find no crash, no undocumented status, no other shape."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples
from schemathesis.checks import not_a_server_error  # pyright: ignore[reportUnknownVariableType]
from schemathesis.specs.openapi import checks as openapi

from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve import site
from lichen.serve.listen.tcp import listening
from lichen.serve.openapi import document
from lichen.serve.site import make_site
from tests.declared import declaring
from tests.serve.browser import issue
from tests.serve.test_events import asked

EXAMPLES = 12  # for each operation
SHAPES = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
CHECKS: list[Any] = [not_a_server_error, *(getattr(openapi, name) for name in SHAPES)]
LASTING = sorted(path for path, does in document()["paths"].items() if "text/event-stream" in str(does))

schema: Any = schemathesis.openapi.from_dict(document())


class Served(NamedTuple):
    url: str
    key: str
    run: str


@contextmanager
def serving(project: Project) -> Generator[Served]:
    """A site on a port, in a thread of its own, with a run that is finished."""
    ready, found, loop = threading.Event(), list[Served](), asyncio.new_event_loop()
    leaving = asyncio.Event()

    async def serve() -> None:
        async with Runtime.of(project) as runtime:
            run = await asked(runtime)
            async with listening(make_site(runtime), "127.0.0.1", 0) as port:
                found.append(Served(f"http://127.0.0.1:{port}", issue(runtime), run))
                ready.set()
                await leaving.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(leaving.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def served(shop: Project, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    home: Path = tmp_path_factory.mktemp("schemathesis") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "REQUESTS_BURST", 1_000_000)  # it asks more often than one may
        with serving(declaring(shop, home=home)) as found:
            yield found


@pytest.mark.req("SYM-97.12")
def test_the_document_is_openapi() -> None:
    schema.validate()
    assert document()["openapi"].startswith("3.1")


@pytest.mark.req("SYM-97.12")
def test_the_streams_are_those_that_the_document_names() -> None:
    streams = ("runs/{run}/events", "runs/{run}/partials", "runs/{run}/pieces", "waits/events")
    assert [f"/api/v1/{stream}" for stream in streams] == LASTING


@pytest.mark.req("SYM-97.12")
@schema.exclude(path=LASTING).parametrize()  # streams do not end; they have tests of their own
@examples(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    database=None,
)
def test_every_operation_does_what_the_document_says(case: Any, served: Served) -> None:
    if "run" in case.path_parameters and len(case.path_parameters["run"]) % 2:
        case.path_parameters["run"] = served.run  # else nothing would ever be found
    query: dict[str, Any] = case.query or {}
    if isinstance(query.get("wait_s"), (int, float)):
        query["wait_s"] = 0  # nothing will come
    case.call_and_validate(
        base_url=served.url, headers={"Authorization": f"Bearer {served.key}"}, checks=CHECKS, timeout=20
    )
