"""What becomes of a request to a model: gated, within its budgets, billed and recorded.

Others take `Asker`, `Asks` and `settle_lost`.
"""
