"""What a wait expects, and what somebody's words say of it.

Others take `check_answer` and `take`, which make records of what was said.
"""
