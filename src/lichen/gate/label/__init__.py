"""Which arguments are endorsed, and by whom."""
