"""What became of a message by Slack's answer, which is 200 also where it refuses.

Source: Slack, "chat.postMessage, errors", "Rate limits".
"""

from __future__ import annotations

import re
from typing import Any, Final

from lichen.channels.platform.calling import Answer, delivery_of, fields_of, retry_after_s
from lichen.engine.ports import Delivery

CREDENTIALS: Final = frozenset({
    "accesslimited", "account_inactive", "access_denied", "ekm_access_denied", "invalid_auth", "missing_scope",
    "no_permission", "not_allowed_token_type", "not_authed", "org_login_required", "token_expired", "token_revoked",
    "two_factor_setup_required",
})  # fmt: skip
"""Refusals that a person can mend at Slack or in the settings: the message waits for that."""
BUSY: Final = frozenset({
    "message_limit_exceeded", "rate_limited", "ratelimited", "request_timeout", "service_unavailable",
    "team_added_to_org",
})  # fmt: skip
"""Refusals that pass by themselves."""
UNSURE: Final = frozenset({"fatal_error", "internal_error"})
"""Of these Slack says that some of it may have been done."""
CREDENTIALS_S, BUSY_S = 60.0, 30.0
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}")


def error_of(answer: Answer) -> str:
    """The code of a refusal; empty where there is none."""
    said: dict[str, Any] = fields_of(answer)
    if said.get("ok") is True:
        return ""
    code = said.get("error")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "unreadable"


def delivery(answer: Answer, now_us: int) -> Delivery:
    """What became of a message."""
    if not answer.is_ok:
        return delivery_of(answer, now_us)
    match error_of(answer):
        case "":
            return Delivery("delivered")
        case "unreadable":
            return Delivery("unknown", "slack_unreadable")
        case code if code in UNSURE:
            return Delivery("unknown", f"slack_{code}")
        case code if code in BUSY:
            return Delivery("retry", "platform_busy", retry_after_s(answer, now_us) or BUSY_S)
        case code if code in CREDENTIALS:
            return Delivery("retry", "credentials_refused", CREDENTIALS_S)
        case code:
            return Delivery("failed", f"slack_{code}")
