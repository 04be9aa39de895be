"""What tools are given beside their arguments: a folder, a state, runs to take back, customers to write to.

Others take `STATE_TOOLS`, `withdraw` and `tell`, which agents may have, what they stand on: `StateStore`, `Journals`,
`Tellers`, and `Reaching`, the connection that models are given.
"""
