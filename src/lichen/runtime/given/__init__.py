"""What tools are given beside their arguments: a folder, a state that is kept, a session's runs to take back.

Others take `STATE_TOOLS` and `withdraw`, which agents may have, what the two stand on: `StateStore`, `Journals`, and
`Reaching`, the connection that models are given.
"""
