"""The way of a platform's webhook to the reply that is pushed back, killed at every step."""
