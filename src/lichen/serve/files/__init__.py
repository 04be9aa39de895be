"""Files of customers at the doors: read from an upload, and handed out again to be kept, never to be run.

Others take `read_upload` and `download`.
"""
