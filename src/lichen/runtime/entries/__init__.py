"""Which flows, agents and nodes may be come to: the rules of a scope, and what they call what is hosted.

Others take `AccessSource`.
"""
