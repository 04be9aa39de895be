"""Changes of flow files: a step more, a step less, another payload; what nobody asked to change stays as it is written.

Others take `FlowText`, a file that is changed by `add_step`, `update_step` and `delete_step`, `new_flow`, which begins
one, and `Sidecar`, which says where components come from.
"""
