"""Models by name, and those that need no provider.

Others take `resolve`, which finds the model of a name, and the models themselves: `EchoModel`, `ScriptedModel`,
`RecordedModel`.
"""
