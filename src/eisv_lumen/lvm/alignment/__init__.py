"""Does a model predict the next chunk? The published test, and one that perfection can pass.

All but `answers`, `run`, `report` and `table` depend on NumPy and on each other alone: the
published metric is made of these files.
"""
