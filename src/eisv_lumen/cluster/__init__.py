"""Windows and labels on many machines: the same files as one machine writes (extra `cluster`)."""
