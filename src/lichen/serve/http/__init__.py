"""What every door does with a request.

Others take `Exchange`, one request with its answer, and `Site`, what all requests share.
"""
