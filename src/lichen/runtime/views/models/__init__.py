"""What a run's requests to models look like, and what models cost a tenant.

Others take `ModelRequestView`, `requests` and `CostBook`.
"""
