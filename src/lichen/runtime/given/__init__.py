"""What tools are given beside their arguments: a folder, a state that is kept, the runs of a session to take back.

Others take `STATE_TOOLS` and `withdraw`, which agents may have, and what the two stand on: `StateStore`, `Journals`.
"""
