"""Where secrets come from: one adapter a kind of source, each in its file, and the one that asks whichever is named.

Others take `Sources` and `built_in` of `sources`, `SealedSecrets` of `sealed`.
"""
