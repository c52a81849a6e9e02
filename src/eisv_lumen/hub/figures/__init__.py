"""Figures, drawn from results files."""
