"""Windows, examples and token rows to train on."""
