"""The way of messages between a gateway, a runner and an egress that are processes of their own: subjects and streams
on NATS JetStream.

Others take `Bus`, `Book`, `BusOutlet`, `Sending`, `Way`, and what writes and reads envelopes and dead letters.
"""
