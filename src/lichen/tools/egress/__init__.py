"""What caged code reaches of the network: a proxy that lets it reach the hosts it was granted, and nothing else.

Others take `Egress` and `Reach`.
"""
