"""Which project, which process: how a command reaches the runtime.

Others take `calling`, which hands a command its `Caller`, and `locate`, which finds the project.
"""
