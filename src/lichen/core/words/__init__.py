"""Names, scopes, labels, limits and errors: what every other word is made of."""
