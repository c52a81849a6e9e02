"""Latent vector models: from five consecutive chunk embeddings to the next one."""
