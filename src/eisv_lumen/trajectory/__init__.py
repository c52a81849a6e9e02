"""Layer 1: series of states, their windows, and the nine shapes of those."""
