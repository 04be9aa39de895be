"""What all requests share that go one way, by one key to one model: how many at once, and whether at all.

Others take `Lane`, which `agents/ways/` sends every request through, and `Shared`, the windows that processes share.
"""
