"""What the agents know at minute zero: counts of melodies (``bach.json``), and what ``livecomposer practice`` made of
them and of the rules (``prior.npz``)."""
