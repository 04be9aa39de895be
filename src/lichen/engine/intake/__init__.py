"""What comes from outside: sessions, messages, runs, answers. Acknowledged only once durable.

Others make a `Request` of who asks and what the gate said, and hand it to the function for what is asked. Where
something could be sent twice it takes the caller's idempotency key; a repeated one returns what the first returned.
"""
