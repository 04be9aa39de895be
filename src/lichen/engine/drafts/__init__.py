"""The records that several kinds of obligation append.

Others take a function for each thing that is appended from more than one act: `end`, `release`, `succeed`,
`append_plan`.
"""
