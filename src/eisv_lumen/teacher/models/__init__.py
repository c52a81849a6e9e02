"""Base models: pretrained ones, and tiny ones built from scratch."""
