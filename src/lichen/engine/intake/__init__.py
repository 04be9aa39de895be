"""What comes from outside: sessions, messages, runs, answers. Acknowledged only once durable.

Others take `Request`, made of who asks and what the gate said, and the function for what is asked, such as `say`.
What could be sent twice takes the caller's idempotency key; a repeated one returns what the first returned.
"""
