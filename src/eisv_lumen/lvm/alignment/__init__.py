"""Does a model predict the next chunk? The published test, and one that perfection can pass.

`articles`, `ablations`, `ranking`, `floors`, `resampling`, `published`, `readings` and `calibrated`
depend on NumPy and on each other alone: the published metric is made of these files.
"""
