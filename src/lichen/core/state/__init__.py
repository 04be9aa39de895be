"""What flows, agents and programs keep between runs, wherever it is kept.

Others take `States`, which keeps it, `StateKey`, which names one value, `Change`, how it is set, and
`ReplyScope`, where an answer from outside comes back.
"""
