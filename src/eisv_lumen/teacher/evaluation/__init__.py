"""Generating, scoring, reporting, reproducing."""
