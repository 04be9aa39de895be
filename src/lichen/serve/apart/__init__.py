"""The gateway, the runner and the egress as processes of their own, which a bus joins.

Others take `BusRunner`, a listener, and `as_gateway` and `as_egress`, which are whole processes.
"""
