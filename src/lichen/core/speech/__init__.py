"""What customers are told: sayings, and the runtime's own words.

Others take `Saying`, and `Wording` for the words of a tenant's languages.
"""
