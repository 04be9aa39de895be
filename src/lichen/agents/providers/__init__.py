"""Models that are reached over a network: one adapter for all providers, over pydantic-ai's clients.

Others take `PROVIDERS`, which says what each provider needs, and `RemoteModel`. No library of a provider is imported
before one is asked.
"""
