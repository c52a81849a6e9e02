"""Training of latent vector models."""
