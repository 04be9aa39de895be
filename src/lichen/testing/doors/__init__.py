"""What every way in and out must do, as suites that adapters subclass.

Others take `ChannelConformance` and `ListenerConformance`.
"""
