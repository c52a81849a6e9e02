"""Retrieval, decoding and the HTTP service."""
