"""How late ratings reach the notes they were meant for."""
