"""Simulated series: synthetic windows, Lumen-like logs."""
