"""One question to the gate: its facts, meters and conditions."""
