"""Names, scopes, labels, limits and errors: what every other word is made of.

Others take what they name: `RunId`, `Scope`, `Actor`, `Label`, `Limits`, `Invalid` and the other errors.
"""
