"""What operators see of the ways in and out: how each channel is, and what got stuck.

Others take the pages' views and acts from `channels` and `letters`.
"""
