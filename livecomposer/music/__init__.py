"""What is perceived and what can be played; knows nothing of ports, processes or time of day."""
