"""The words everyone shares, and the pure deciders of run, mailbox and agent. No I/O, clock or randomness."""
