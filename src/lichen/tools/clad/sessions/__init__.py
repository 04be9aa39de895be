"""Programs that go on over several calls of one run: what may be said to them, and what they answered.

Others take `SessionTool` and `Sessions`.
"""
