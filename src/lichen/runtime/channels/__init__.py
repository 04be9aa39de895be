"""The channels of tenants: made from their tables in `lichen.toml` by the packages that bring them.

Others take `Channels`, and `open_channels`, which makes them.
"""
