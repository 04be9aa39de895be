"""AgentPin: who an agent is, what its owner lets it do, and who lent it that.

Pure but for the fetcher that is passed. Others take `verify_credential`, `issue` and the directories.
"""
