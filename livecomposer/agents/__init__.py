"""Reinforcement-learning agents behind one protocol."""
