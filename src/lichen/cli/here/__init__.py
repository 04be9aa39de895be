"""Which project, which process: how a command reaches the runtime."""
