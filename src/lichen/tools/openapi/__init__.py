"""HTTP APIs as tools: what an OpenAPI document says of its operations, how one is asked, and what its answer means.

Others take `api_tools`.
"""
