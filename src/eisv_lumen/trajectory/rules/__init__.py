"""The nine rules: thresholds, compiled kernels, explanations."""
