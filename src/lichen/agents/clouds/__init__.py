"""What providers are known by before anything of theirs is imported: where their hosts are.

Others take `host_of` and `home_of`. Nothing of it needs a library of a provider.
"""
