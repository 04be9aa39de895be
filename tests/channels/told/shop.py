"""A shop that takes things back, served for customers of every channel: a real process that may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from tests.served import LICHEN, PATIENCE_S, free_port

AGENT = '''"""Takes things back: asks what it is about, wants a photo, refunds once a person agreed."""

import json
from pathlib import Path

from lichen import Agent, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput, WaitRequest

FORM = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "title": "Order", "minLength": 1},
        "reason": {"type": "string", "title": "Reason", "enum": ["broken", "wrong size"]},
    },
    "required": ["order", "reason"],
}


@tool(name="shop.refund", effects="once", runs="loop")
async def refund(order: str) -> str:
    """Refunds an order."""
    with Path("refunds.txt").open("a") as file:
        file.write(order + "\\n")
    return "refunded"


class Returns:
    pure = False
    digest = "returns-1"

    async def plan(self, input: PlanInput) -> Plan:
        known = json.loads(input.state or b"{}")
        if not known:
            asked = WaitRequest("clarification", "What is it about?", answer_schema=FORM)
            return Plan(waits=(asked,), state=b'{"at":"form"}')
        if known["at"] == "form":
            body = json.loads(input.answers[0].body)
            known = {"at": "photo", "order": body["order"], "reason": body["reason"]}
            return Plan(waits=(WaitRequest("clarification", "Please send a photo."),), state=json.dumps(known).encode())
        if known["at"] == "photo":
            photos = len(json.loads(input.answers[0].body).get("attachments", ()))
            known |= {"at": "refund", "photos": photos}
            call = CallRequest("shop.refund", json.dumps({"order": known["order"]}).encode())
            return Plan(calls=(call,), state=json.dumps(known).encode())
        return Plan(answer=f"Refunded {known['order']} ({known['reason']}) with {known['photos']} photo.")


RETURNS = Agent("shop.returns", planner=Returns(), tools=[refund])
'''


class Shop:
    """The project in a folder, and the process that serves it. `tables` are those of its channels."""

    def __init__(self, folder: Path, tables: str, environ: dict[str, str]) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = environ
        self._process: subprocess.Popen[str] | None = None
        (folder / "shop.py").write_text(AGENT)
        (folder / "lichen.toml").write_text(
            '[lichen]\nagents = ["shop.py:RETURNS"]\nhome = "data"\n\n'
            '[tenants.acme]\ndevelopment = ["dev"]\nactors = [{id = "ops", kind = "operator"}]\n'
            f"[tenants.acme.quotas]\nwebhooks_burst = 1_000\n\n[tenants.acme.webchat]\n{tables}"
        )
        self.key = self._said("keys", "create", "ops", "--tenant", "acme", "--as", "ops").split()[-1]

    def _said(self, *command: str) -> str:
        done = subprocess.run(
            [LICHEN, *command], cwd=self.folder, env=self._env(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        return {**kept, **self._environ, "LICHEN_PORT": str(self.port)}

    def start(self) -> None:
        """Returns once it says that it serves."""
        with (self.folder / "served.err").open("a") as errors:
            self._process = subprocess.Popen(
                [LICHEN, "serve"], cwd=self.folder, env=self._env(), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("serving on "), (line, (self.folder / "served.err").read_text())

    def kill(self) -> None:
        """`kill -9`, and a new process over the same data."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
        self.start()

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.communicate(timeout=PATIENCE_S)

    def post(self, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        """What a platform does: it posts until somebody takes it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                found = httpx.post(f"{self.url}{path}", content=content, headers=headers, timeout=PATIENCE_S)
            except httpx.TransportError:
                found = None
            if found is not None and found.status_code < 400:
                return found
            assert time.monotonic() < deadline, (path, found and found.text)
            time.sleep(0.2)

    def waiting(self, count: int) -> list[str]:
        """The refunds that wait for somebody to agree, once there are so many."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := self._api("GET", "/approvals").json()) < count:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return [each["id"] for each in found]

    def approve(self, waits: list[str]) -> None:
        """Agrees, as the operator."""
        for each in waits:
            self._api("POST", f"/approvals/{each}/approve", json={})

    def _api(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=PATIENCE_S, **more)
        return answer.raise_for_status()

    def refunds(self) -> list[str]:
        """What was refunded, in truth."""
        path = self.folder / "refunds.txt"
        return sorted(path.read_text().split()) if path.exists() else []
