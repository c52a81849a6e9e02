"""From texts to sequences of vectors, and the gates before training."""
