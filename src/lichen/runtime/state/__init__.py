"""Where state is kept: in the scope's log, or on a Redis.

Others take `LogStates`, `RedisStates` over a `Redis` with `Sealing`, and `WaitIndex`, which lies in either.
"""
