"""Floors and trained models behind one interface."""
