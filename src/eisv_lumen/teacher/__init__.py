"""Layer 3: a language model that imitates the voice, trained by pure cross-entropy."""
