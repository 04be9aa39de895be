"""What customers are told: sayings, and the runtime's own words."""
