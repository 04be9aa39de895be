"""What a tool, a planner and the gate are asked and answer.

Others take the ports (`Tool`, `Planner`, `Gate`) and what goes through them (`CallMeta`, `PlanInput`, `Plan`,
`Check`, `Verdict`).
"""
