"""Sockets: who connects, how many, and what they may send.

Others take `serving` and `listening`.
"""
