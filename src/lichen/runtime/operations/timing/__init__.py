"""What may be asked of what begins by itself.

Others take `Schedules`.
"""
