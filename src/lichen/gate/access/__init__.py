"""Which flows, agents and nodes a tenant and its teams may come to: `.gmap` files, read and compiled.

Others take `parse`, and `Rules` of a file and `AccessRules` of a scope, which decide.
"""
