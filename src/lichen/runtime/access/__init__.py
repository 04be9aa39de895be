"""Who may: asked of the table, the owner and the gate, and what is written down of it."""
