"""What the things of a tenant look like: one typed view of each, made once from the typed records.

API, console and command line show these values and nothing beside them. Others take the view of the thing they show,
such as `RunDetail`, `SessionSummary` and `WaitView`.
"""
