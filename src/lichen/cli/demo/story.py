"""The story of the demo shop: a refund that has to be approved, a crash in between, and what another tenant sees."""

from __future__ import annotations

from typing import Any

from lichen.cli.demo.stage import Stage

OPS = ("--tenant", "acme", "--as", "ops")


def play(stage: Stage) -> None:
    """Plays every act in order. What does not happen as told is in `stage.failures`."""
    _ask(stage)
    wait = _hold(stage)
    _crash(stage, wait)
    _approve(stage, wait)
    _count(stage)
    _forbid(stage, wait["run"])
    _prove(stage, wait["run"])


def _ask(stage: Stage) -> None:
    stage.act(
        "1. A customer asks.",
        "The support agent of the shop `acme` looks the order up. It needs no model: its rules are in support.toml.",
        "Below each answer stand the records of the log, as they were written: position, type, what matters.",
    )
    stage.open()
    reply = stage.chat("acme", "customer-7", "Where is order 1042?")
    stage.check("the agent read the order and answered", holds="1042" in reply and "shipped" in reply)


def _hold(stage: Stage) -> dict[str, Any]:
    stage.act(
        "2. The customer wants 80 EUR back.",
        "acme pays up to 50 EUR per customer and day at once; above that a person has to agree.",
        "The run waits as a row on disk, and the customer may go on talking.",
    )
    reply = stage.chat("acme", "customer-7", "I want a refund of 80 EUR for order 1042.")
    stage.check("the customer is told that it is being checked", holds="checked" in reply)
    reply = stage.chat("acme", "customer-7", "Where is order 1043?")
    stage.check("the conversation goes on meanwhile", holds="1043" in reply)
    stage.check("nothing was paid yet", holds=stage.refunds("acme", "1042") == [])
    waits = stage.run("approvals", "list", "--tenant", "acme").data
    stage.check("one approval is open", holds=len(waits) == 1)
    _show_card(stage, waits[0])
    explained = stage.run("runs", "explain", waits[0]["run"]).data
    stage.screen.line(f"  {explained['summary']}")
    stage.check("the run says what it waits for", holds="approval of payments.refund" in explained["summary"])
    return waits[0]


def _crash(stage: Stage, wait: dict[str, Any]) -> None:
    stage.act(
        "3. The process dies.",
        "kill -9, as a power failure would. A new process takes over what the log says is owed.",
    )
    stage.kill()
    stage.open()
    waits = stage.run("approvals", "list", "--tenant", "acme").data
    stage.check("the same approval is still there", holds=[w["digest"] for w in waits] == [wait["digest"]])


def _approve(stage: Stage, wait: dict[str, Any]) -> None:
    stage.act(
        "4. A person decides.",
        "Nobody agrees to their own request. An answer is about exactly the call that was shown, and counts once.",
        "Policy and facts are checked again before the money moves.",
    )
    own = stage.run("approvals", "approve", wait["id"], "--tenant", "acme", "--as", "customer-7")
    stage.check("the customer may not approve it", holds=stage.refusal(own) == "role_missing" and own.code == 5)
    approved = stage.run("approvals", "approve", wait["id"], *OPS, "--digest", wait["digest"])
    stage.check("ops approves", holds=approved.code == 0)
    again = stage.run("approvals", "approve", wait["id"], *OPS)
    stage.check("a second answer is a conflict", holds=stage.refusal(again) == "wait_closed" and again.code == 3)
    reply = stage.chat("acme", "customer-7")
    stage.check("the answer reached the customer's session", holds="80.00 EUR" in reply)
    stage.check("the shop's database holds one refund of 80 EUR", holds=stage.refunds("acme", "1042") == [8000])
    detail = stage.run("runs", "show", wait["run"], "--tenant", "acme").data
    _show_run(stage, detail)
    stage.check("the run is completed", holds=detail["status"] == "completed")


def _count(stage: Stage) -> None:
    stage.act(
        "5. Another customer, twice 50 EUR.",
        "The first is within what acme pays at once. The second is not: the policy counts what was paid today.",
    )
    stage.chat("acme", "customer-8", "I want a refund of 50 EUR for order 1053.")
    stage.check("the first 50 EUR are paid at once", holds=stage.refunds("acme", "1053") == [5000])
    stage.chat("acme", "customer-8", "I want a refund of 50 EUR for order 1054.")
    waits = stage.run("approvals", "list", "--tenant", "acme").data
    stage.check("the second is held", holds=len(waits) == 1 and stage.refunds("acme", "1054") == [])
    denied = stage.run("approvals", "deny", waits[0]["id"], *OPS, "--note", "One refund a day is enough.")
    stage.check("ops denies it", holds=denied.code == 0)
    reply = stage.chat("acme", "customer-8")
    stage.check("the agent is told and answers accordingly", holds="declined" in reply)
    stage.check("nothing was paid for it", holds=stage.refunds("acme", "1054") == [])


def _forbid(stage: Stage, run: str) -> None:
    stage.act(
        "6. Another tenant, the same agent.",
        "globex forbids refunds. Its customer hears a public reason; the operator's reason stays in its log.",
        "Logs, keys and policies of the two are apart: for globex nothing of acme exists.",
    )
    reply = stage.chat("globex", "customer-7", "I want a refund of 10 EUR for order 1042.")
    stage.check("the customer hears the public reason", holds="service desk" in reply)
    runs = stage.run("runs", "list", "--tenant", "globex").data
    detail = stage.run("runs", "show", runs[0]["id"], "--tenant", "globex").data
    reason = next(r["contents"]["operator"] for r in detail["records"] if r["type"] == "decided")
    stage.screen.line(f"  operator's reason in the log: {reason}", "dim")
    stage.check("the operator's reason is in the log only", holds="forbids" in reason and reason not in reply)
    stage.check("nothing was paid", holds=stage.refunds("globex", "1042") == [])
    other = stage.run("runs", "show", run, "--tenant", "globex")
    stage.check("acme's run does not exist for globex", holds=stage.refusal(other) == "run_unknown" and other.code == 4)
    key = stage.run("keys", "create", "ops", "--tenant", "globex").data["key"]
    crossing = stage.run("approvals", "list", "--key", key, "--tenant", "acme", hide=key)
    stage.check(
        "a key of globex opens nothing of acme", holds=stage.refusal(crossing) == "key_scope" and crossing.code == 5
    )


def _prove(stage: Stage, run: str) -> None:
    stage.act(
        "7. The log proves itself.",
        "Every record is hashed, chained and signed; every view is rebuilt and compared.",
    )
    for tenant in ("acme", "globex"):
        said = stage.run("log", "verify", "--tenant", tenant)
        stage.check(f"the log of {tenant} verifies", holds=said.code == 0 and said.data["ok"])
    stage.close()
    stage.check("nothing is left over", holds=not stage.workspace.socket.exists())


def _show_card(stage: Stage, wait: dict[str, Any]) -> None:
    from lichen.cli.show.card import draw_card, rows

    if stage.screen.is_terminal:
        draw_card(stage.screen, wait, " --tenant acme")
        return
    for name, text in rows(wait):
        stage.screen.line(f"    {name:<10}  {text}")


def _show_run(stage: Stage, detail: dict[str, Any]) -> None:
    if stage.screen.is_terminal:
        from lichen.cli.show.timeline import show_run

        show_run(stage.screen, detail)
    stage.records("acme")
