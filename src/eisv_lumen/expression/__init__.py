"""Layer 2: the expressions of a shape, their exact law, and the voice that learns."""
