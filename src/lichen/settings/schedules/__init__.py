"""When something is to happen by itself: what a tenant's `schedules` say, and at which moments that is.

Others take `Schedule` and `as_moment`.
"""
