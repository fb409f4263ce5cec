"""How late ratings reach the notes they were meant for."""

UNDO = 256  # ratings in a row that can be taken back, exactly
