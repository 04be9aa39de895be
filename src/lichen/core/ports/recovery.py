"""What kind of failure a call ended with, and what its planner can do about it: a pure view of how it ended."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, assert_never

from lichen.core.ports.call import Outcome, Recovery

FailureKind = Literal[
    "", "invalid_call", "domain_rejection", "denied", "unavailable", "timeout", "malformed_result", "internal",
    "cancelled", "unknown",
]  # fmt: skip
"""Empty for a call that is ok. `invalid_call`: its arguments do not fit; `domain_rejection`: the tool said no;
`denied`: policy, a limit or a person did; `unavailable`: the tool is not there."""

_UNAVAILABLE: Final = ("tool_unavailable", "version_gone", "agent_unknown", "workers_missing", "service_missing")
_MALFORMED: Final = ("result_invalid", "result_too_large", "result_out_of_bounds", "cursor_unchanged")


class Trouble(NamedTuple):
    """A failure as a planner is told it."""

    kind: FailureKind = ""
    recovery: Recovery = ""


def trouble_of(outcome: Outcome, code: str, *, asked: Recovery = "", has_issues: bool = False) -> Trouble:
    """What a call that ended like this means. `asked` is what the tool itself said to do."""
    match outcome:
        case "ok":
            return Trouble()
        case "denied":
            return Trouble("denied", "finish" if code.startswith("limit_") else "replan")
        case "cancelled":
            return Trouble("cancelled", "finish")
        case "timed_out":
            return Trouble("timeout", "finish" if code == "limit_time" else "replan")
        case "unknown":
            return Trouble("unknown", "replan")
        case "failed":
            return _failed(code, asked, has_issues=has_issues)
        case _:
            assert_never(outcome)


def _failed(code: str, asked: Recovery, *, has_issues: bool) -> Trouble:
    if code == "arguments_invalid":
        return Trouble("invalid_call", "correct_call")
    if code in _UNAVAILABLE:
        return Trouble("unavailable", "replan")
    if code in _MALFORMED:
        return Trouble("malformed_result", asked or "finish")
    if code.startswith("exception_") or code == "tool_failed":
        return Trouble("internal", asked or "finish")
    return Trouble("domain_rejection", asked or ("correct_call" if has_issues else "replan"))
