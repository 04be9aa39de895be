"""What a project hosts: agents, flows, policies, versions."""
