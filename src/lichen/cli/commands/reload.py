"""`lichen reload`: files that changed are put in force without a restart."""

from __future__ import annotations

import typer

from lichen.cli.here.caller import Caller, calling


@calling
def reload(caller: Caller) -> None:
    """Puts policies, agents, flows, prompts, channels and schedules in force as they are.

    Policies count at once; a run under way keeps the agent or flow it began with. What is broken leaves the old in
    force and is named, exit code 2. Python files need a restart, and the changed ones are named."""
    found = caller.client.post("reload")
    if not caller.screen.data(found):
        new = "are new" if found["are_policies_new"] else "are as they were"
        caller.screen.line(f"policies {new} ({found['policies'][:12]})")
        for name in found["agents"]:
            caller.screen.line(f"agent {name} has a new version", "green")
        for name in found["prompts"]:
            caller.screen.line(f"prompt {name} says something else", "green")
        for name in found["channels"]:
            caller.screen.line(f"channel {name} is as lichen.toml says now", "green")
        for name in found["schedules"]:
            caller.screen.line(f"schedule {name} is as lichen.toml says now", "green")
        for broken in found["broken"]:
            place = f"{broken['place']}: " if broken["place"] else ""
            caller.screen.line(f"{broken['code']}: {place}{broken['message']}  {broken['next_step']}", "bold red")
        for file in found["needs_restart"]:
            caller.screen.line(f"{file} has changed, and only a restart reads it again", "yellow")
    if found["broken"]:
        raise typer.Exit(2)
