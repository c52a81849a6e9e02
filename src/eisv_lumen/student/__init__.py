"""Distil the teacher into data that the standard library alone can speak."""
