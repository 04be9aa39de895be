"""The planner that follows a rule table."""
