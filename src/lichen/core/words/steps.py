"""What to do about an error, by its code, where whoever raises it says nothing more exact.

Every command named here, and in any other text of Lichen, exists: a test parses each with the real command line.
"""

from __future__ import annotations

from collections.abc import Mapping

_PLAN = "Correct the planner; `lichen runs show RUN` says where it was."
_FULL = "Try again in a moment with the same idempotency key."

STEPS: Mapping[str, str] = {
    # what is named does not exist
    "agent_unknown": "`lichen list agents` names those there are.",
    "api_key_missing": "`lichen keys list` names those there are.",
    "backup_missing": "Name the folder that `lichen log backup` wrote.",
    "env_unknown": "`lichen list tenants` names the environments of each.",
    "export_missing": "Name a file that `lichen log export` wrote.",
    "log_missing": "Nothing was said or done there yet: `lichen chat` begins.",
    "name_unknown": "Take the pseudonym from `lichen list sessions`.",
    "policies_unknown": "`lichen list tenants` names those there are, with their environments.",
    "record_missing": "`lichen log show` lists the records there are.",
    "run_unknown": "`lichen runs list` names those of a tenant.",
    "session_unknown": "`lichen list sessions` names those of a tenant.",
    "tenant_unknown": "`lichen list tenants` names those there are.",
    "tool_unavailable": "`lichen list tools` names those there are; put it back, or start anew.",
    "tool_unknown": "`lichen list tools` names those there are.",
    "volume_missing": "Name a directory in which Lichen has run, or set LICHEN_HOME to one.",
    "wait_id_invalid": "Take it from `lichen approvals list`.",
    "wait_unknown": "`lichen approvals list` names those that are open.",
    # a file is wrong
    "agents_invalid": "Correct the entry in lichen.toml, or the file it names; `lichen doctor` loads it again.",
    "policy_settings": "Correct the file; `lichen policy check` reads it again.",
    "policy_syntax": "Correct the file; `lichen policy check` reads it again.",
    "settings_invalid": "Correct lichen.toml at the place named; `lichen doctor` reads it again.",
    # somebody was first, or may not
    "digest_differs": "Read it again with `lichen approvals show WAIT`, and answer what it says now.",
    "key_missing": "Send `Authorization: Bearer <key>`; `lichen keys create ACTOR` makes a key.",
    "may_not_answer": "`lichen approvals show WAIT` says who may answer.",
    "run_halted": "`lichen runs explain RUN` says what it waits for.",
    "run_not_paused": "`lichen runs explain RUN` says what it waits for.",
    "wait_expired": "Let whoever asked ask again; what is asked then opens anew.",
    # what is brought is something else
    "answer_unexpected": "`lichen approvals show WAIT --json` says in `answer_schema` and `awaits` what is expected.",
    # a planner of one's own
    "answer_schema_invalid": _PLAN,
    "plan_asks_nobody": "Ask in a session, or answer instead of asking.",
    "plan_contradicts_itself": _PLAN,
    "plan_empty": _PLAN,
    "plan_not_final": _PLAN,
    "plan_too_large": _PLAN,
    "saying_invalid": _PLAN,
    "saying_too_large": _PLAN,
    # the runtime has its hands full
    "all_taken": _FULL,
    "answer_late": "`lichen runs list` shows what is under way; repeating the command is safe.",
    "host_failed": "`lichen doctor` names what is wrong.",
    "overloaded": _FULL,
    "owner_gone": "Run the command again; what was acknowledged is kept.",
    "sockets_full": _FULL,
}
