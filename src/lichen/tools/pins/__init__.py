"""SchemaPin: who signed a tool's schema or a skill's folder, whether that key still counts, and which it was before.

Pure but for the fetcher that is passed. Others take `verify`, `verify_skill`, `Signed` and the resolvers.
"""
