"""What got stuck: messages that could not be taken, and those of which nobody knows whether they are there.

Others take `dead` and `deliveries`.
"""
