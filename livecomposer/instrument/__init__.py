"""The performance, pure and live; imports downwards only (music, agents, ratings, midi)."""
