"""Kills the process at every point a process can die at, starts it again, and looks what became of the world."""
