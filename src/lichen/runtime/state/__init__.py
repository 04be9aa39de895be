"""Where state is kept: in the scope's log, or on a Redis.

Others take `LogStates` of `in_log`, `RedisStates` of `on_redis`, `Redis`, the connection, `Sealing`, and
`WaitIndex`, which lies in either.
"""
