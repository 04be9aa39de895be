"""What tools are given beside their arguments, a folder, a state that is kept, the runs of a session to take back; and
models the connection they are reached over.

Others take `STATE_TOOLS` and `withdraw`, which agents may have, what the two stand on: `StateStore`, `Journals`, and
`Reaching`.
"""
