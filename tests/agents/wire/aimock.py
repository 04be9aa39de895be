"""`@copilotkit/aimock`, as published: it speaks as OpenAI, Anthropic and Gemini do, and plays our scenes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from lichen.testing import model_conformance as scenes
from tests.browser.published import NODE, Published
from tests.served import free_port

AIMOCK = Published(
    "@copilotkit/aimock",
    "1.43.0",
    "V8D8cjSMtAR4rHaD2ulp3DR/ZguXQjDNOqwKDNvjb/OJL/KR1I0SDf5xpRCd+TYKjhmf9fM8Xpg3QBKPmV9Kmw==",
)
START_S = 20.0


@contextmanager
def playing(folder: Path, scenes: Sequence[Mapping[str, Any]] | None = None) -> Generator[str]:
    """The server while it plays, our scenes or those that are given; yields its address."""
    fixtures = folder / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": list(_fixtures()) if scenes is None else list(scenes)}))
    program = AIMOCK.unpacked(folder) / "dist/cli.js"
    port = free_port()
    command = [str(NODE), str(program), "-p", str(port), "-f", str(fixtures), "--strict", "--log-level", "silent"]
    process = subprocess.Popen([*command, "--chunk-size", "9"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            httpx.get(f"{url}/health", timeout=1.0)
            return
        except httpx.HTTPError:
            assert time.monotonic() < until, "aimock does not start"
            time.sleep(0.05)


def _fixtures() -> Generator[dict[str, Any]]:
    calls = [
        {"id": f"call_{n}", "name": "orders__lookup", "arguments": json.dumps({"order_id": order})}
        for n, order in enumerate(("1042", "1043"))
    ]
    thinking = {"reasoning": scenes.THOUGHT, "reasoningSignature": "signed-0123456789"}
    looking = {"content": "Looking.", "toolCalls": calls, **thinking}
    yield {"match": {"userMessage": scenes.LOOK, "hasToolResult": True}, "response": {"content": scenes.LOOKED}}
    # Gemini says STOP for a call as for a text.
    yield {"match": {"userMessage": scenes.LOOK, "model": "gemini"}, "response": {**looking, "finishReason": "stop"}}
    yield {"match": {"userMessage": scenes.LOOK}, "response": looking}
    yield {"match": {"userMessage": scenes.THINK}, "response": {"content": scenes.DECIDED, **thinking}}
    yield {"match": {"userMessage": scenes.SHAPE}, "response": {"content": scenes.SHAPED}}
    yield {"match": {"userMessage": scenes.GREET}, "response": {"content": scenes.GREETING, "usage": _USAGE}}


_USAGE = {
    "prompt_tokens": scenes.INPUT_TOKENS,
    "completion_tokens": scenes.OUTPUT_TOKENS,
    "input_tokens": scenes.INPUT_TOKENS,
    "output_tokens": scenes.OUTPUT_TOKENS,
    "promptTokenCount": scenes.INPUT_TOKENS,
    "candidatesTokenCount": scenes.OUTPUT_TOKENS,
    "totalTokenCount": scenes.INPUT_TOKENS + scenes.OUTPUT_TOKENS,
}
