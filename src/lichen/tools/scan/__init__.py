"""What is suspicious in the words of strangers: tools' names, descriptions and schemas, and the files of skills.

Its verdict is advice: the pin and the gate are the wall. Others take `scan_definition`, `scan_folder` and `Finding`.
"""
