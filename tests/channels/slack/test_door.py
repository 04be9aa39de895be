"""Slack over the door of a whole project: what is refused there, and what runs once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from lichen import Runtime, Scope
from lichen.core.words.scope import SYSTEM
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site
from tests.channels.slack.sent import DIRECT, SECRET, callback, signed
from tests.channels.slack.server import TOKEN, Slack
from tests.serve.widget import DEADLINE_S

PATH = "/v1/messaging/ingress/slack/acme"
PROJECT = """
[lichen]
agents = ["echo.toml"]
home = "data"

[tenants.acme]
development = ["dev"]

[tenants.acme.slack]
api_base_url = "{url}"
bot_token = "env:SLACK_BOT_TOKEN"
signing_secret = "env:SLACK_SIGNING_SECRET"
"""


@pytest.mark.req("GRE-56.8")
async def test_what_slack_did_not_sign_just_now_writes_nothing_and_what_it_brings_twice_runs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("SLACK_SIGNING_SECRET", SECRET)
    (tmp_path / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    with Slack() as slack:
        (tmp_path / "lichen.toml").write_text(PROJECT.format(url=slack.url))
        async with Runtime.of(load(tmp_path / "lichen.toml", environ={})) as runtime:
            transport = httpx.ASGITransport(make_site(runtime))
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                body, now_s = callback(DIRECT), int(time.time())
                before = runtime.log(Scope("acme", "dev")).last_seq
                large = callback({**DIRECT, "text": "x" * 2**21})
                refused: dict[str, tuple[bytes, dict[str, str]]] = {
                    "signature_invalid": (body, signed(body, sent_s=now_s, secret="another")),
                    "signature_expired": (body, signed(body, sent_s=now_s - 301)),
                    "signature_missing": (body, {}),
                    "body_too_large": (large, signed(large, sent_s=now_s)),
                }
                for code, (sent, headers) in refused.items():
                    answer = await client.post(PATH, content=sent, headers=headers)
                    assert answer.json()["error"]["code"] == code
                assert runtime.log(Scope("acme", "dev")).last_seq == before
                for retry in ({}, {"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"}):
                    answer = await client.post(PATH, content=body, headers={**signed(body, sent_s=now_s), **retry})
                    assert answer.status_code == 200
                async with asyncio.timeout(DEADLINE_S):
                    await runtime.idle()
                assert len(await runtime.sessions.list(Scope("acme", "dev"), SYSTEM)) == 1
    assert [(each["channel"], each["text"]) for each in slack.posted] == [(DIRECT["channel"], DIRECT["text"])]
