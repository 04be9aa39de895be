"""The doors: the HTTP API and who may pass through it. The same app listens on a local socket and on TCP."""
