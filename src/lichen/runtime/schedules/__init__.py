"""What begins by itself: each tick of a tenant's schedules, once, whatever happens to the process in between.

Others take `Ticker`. What a schedule owes follows from its stream and the clock, and from nothing else.
"""
