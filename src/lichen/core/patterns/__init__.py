"""Regular expressions that cannot run away."""
