"""Requests as Slack makes them, from its documentation, and a channel that they are for."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import msgspec

from lichen.channels.port import Arrival, Setup, Unhosted
from lichen.channels.slack.channel import SlackChannel, SlackSettings
from lichen.core.speech.saying import Saying
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from tests.channels.slack.server import TOKEN, Slack

SCOPE = Scope("acme", "dev")
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # of Slack's own example
NOW_S = 1_531_420_618
FORM = "application/x-www-form-urlencoded"


def channel(url: str = "http://127.0.0.1:1", **settings: Any) -> SlackChannel:
    secrets = {"secret:slack-bot-token": TOKEN, "secret:slack-signing-secret": SECRET}
    host = Unhosted(secrets, clock=lambda: NOW_S * 1_000_000)
    return SlackChannel(Setup(SCOPE, msgspec.convert({"api_base_url": url, **settings}, SlackSettings), host=host))


def at(slack: Slack, **settings: Any) -> SlackChannel:
    return channel(slack.url, **settings)


def signed(body: bytes, *, sent_s: int = NOW_S, secret: str = SECRET) -> dict[str, str]:
    """The headers with which Slack proves a body."""
    signature = hmac.new(secret.encode(), b"v0:%d:%b" % (sent_s, body), hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": str(sent_s), "x-slack-signature": f"v0={signature}"}


def arrival(body: bytes, media_type: str = "application/json", *, now_s: int = NOW_S) -> Arrival:
    return Arrival("POST", "/", {}, {"content-type": media_type, **signed(body)}, body, now_s * 1_000_000)


def callback(event: dict[str, Any], **more: Any) -> bytes:
    """https://docs.slack.dev/apis/events-api, "Event payload"."""
    whole: dict[str, Any] = {
        "token": "XXYYZZ",
        "team_id": "T0123ABCD",
        "api_app_id": "A0123ABCD",
        "event": event,
        "type": "event_callback",
        "event_id": "Ev08MFMKH6",
        "event_time": 1234567890,
        "authorizations": [{"team_id": "T0123ABCD", "user_id": "U0BOT", "is_bot": True}],
        "is_ext_shared_channel": False,
        **more,
    }
    return json.dumps(whole).encode()


# https://docs.slack.dev/reference/events/message.im
DIRECT: dict[str, Any] = {
    "type": "message",
    "channel": "D024BE91L",
    "user": "U2147483697",
    "text": "Hello hello can you hear me?",
    "ts": "1355517523.000005",
    "event_ts": "1355517523.000005",
    "channel_type": "im",
}
# https://docs.slack.dev/reference/events/app_mention
MENTION: dict[str, Any] = {
    "type": "app_mention",
    "user": "U061F7AUR",
    "text": "<@U0BOT> is it everything a river should be?",
    "ts": "1515449522.000016",
    "channel": "C123ABC456",
    "event_ts": "1515449522000016",
}


def pressing(button: dict[str, Any], *, channel: str = "C123ABC456", thread: str | None = None, **more: Any) -> bytes:
    """https://docs.slack.dev/reference/interaction-payloads/block_actions-payload"""
    message = {"type": "message", "user": "U0BOT", "ts": "1548261231.000200", "bot_id": "B1"}
    payload: dict[str, Any] = {
        "type": "block_actions",
        "team": {"id": "T0123ABCD", "domain": "acme"},
        "user": {"id": "U061F7AUR", "username": "ann", "team_id": "T0123ABCD"},
        "api_app_id": "A0123ABCD",
        "token": "9s8d9as89d8as9d8as989",
        "container": {
            "type": "message",
            "message_ts": "1548261231.000200",
            "channel_id": channel,
            "is_ephemeral": False,
            **({"thread_ts": thread} if thread else {}),
        },
        "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
        "channel": {"id": channel, "name": "general"},
        "message": {**message, **({"thread_ts": thread} if thread else {})},
        "response_url": "https://hooks.slack.com/actions/AABA1ABCD/1232321423432/D09sSasdasdAS9091209",
        "actions": [{"block_id": "=qXel", "action_ts": "1548426417.840180", **button}],
        **more,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def submission(view: dict[str, Any], values: dict[str, Any], **more: Any) -> bytes:
    """https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload"""
    payload: dict[str, Any] = {
        "type": "view_submission",
        "team": {"id": "T0123ABCD", "domain": "acme"},
        "user": {"id": "U061F7AUR", "name": "ann"},
        "view": {**view, "id": "VNHU13V36", "state": {"values": values}, "hash": "156772938.1827394"},
        **more,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def command(text: str, **more: str) -> bytes:
    """https://docs.slack.dev/interactivity/implementing-slash-commands, "Understanding the payload"."""
    return urlencode({
        "token": "gIkuvaNzQIHg97ATvDxqgjtO",
        "team_id": "T0123ABCD",
        "team_domain": "example",
        "channel_id": "C2147483705",
        "channel_name": "test",
        "user_id": "U2147483697",
        "user_name": "Steve",
        "command": "/weather",
        "text": text,
        "response_url": "https://hooks.slack.com/commands/1234/5678",
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "api_app_id": "A123456",
        "is_enterprise_install": "false",
        **more,
    }).encode()  # fmt: skip


def parsed(body: bytes, media_type: str = "application/json", **settings: Any) -> Any:
    """The one message in a request."""
    (message,) = channel(**settings).parse(SCOPE, arrival(body, media_type), None)
    return message


def outbound(saying: Saying | str, address: dict[str, str] | None = None, **more: Any) -> Outbound:
    to = msgspec.json.encode(address or {"channel": "D024BE91L"}) if address != {} else b""
    return Outbound(MessageId("o1"), SessionId("ses-1"), "answer", Saying.of(saying), NOW_S * 1_000_000, to, **more)
